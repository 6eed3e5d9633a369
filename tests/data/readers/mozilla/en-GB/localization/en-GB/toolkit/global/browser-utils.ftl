browser-utils-url-data = (data)
browser-utils-url-scheme = { $scheme } resource
browser-utils-file-scheme = local file
browser-utils-url-extension = Extension ({ $extension })
