browser-utils-url-data = (gegevens)
browser-utils-url-scheme = { $scheme }-bron
browser-utils-file-scheme = lokaal bestand
browser-utils-url-extension = Extensie ({ $extension })
