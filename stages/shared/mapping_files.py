"""Names of the files that say which source tokens an initialized model's rows were made from."""

WEIGHTS_FILE = "token_mapping.npz"
HOW_FILE = "how.npy"
FIGURES_FILE = "mapping.json"
FILES = (WEIGHTS_FILE, HOW_FILE, FIGURES_FILE)
