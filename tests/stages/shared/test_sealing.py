"""Any change of any file of a sealed folder is noticed."""

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from stages.shared.sealing import SUMS, damage, is_sealed, seal

NAMES = st.sampled_from(["state.json", "weights", "part/weights", "part/of/a/part"])


@given(files=st.dictionaries(NAMES, st.binary(max_size=20), min_size=1), data=st.data())
def test_no_change_goes_unnoticed(files, data):
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "folder"
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        assert not is_sealed(folder)
        assert damage(folder) == f"{SUMS} is missing or cut off"
        seal(folder)
        assert is_sealed(folder)
        assert damage(folder) is None
        name = data.draw(st.sampled_from(sorted(files)))
        other = data.draw(st.none() | st.binary(max_size=20).filter(lambda content: content != files[name]))
        if other is None:
            (folder / name).unlink()
        else:
            (folder / name).write_bytes(other)
        assert damage(folder) == (f"{name} is missing" if other is None else f"{name} has changed")
