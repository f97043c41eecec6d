"""The READMEs' links lead somewhere, and their table of choices is whole."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
ROOMS = [ROOT / room for room in ("conf", "mnist_trainer", "tests")]
READMES = {
    str(path.relative_to(ROOT)): path.read_text()
    for path in [ROOT / "README.md", *(each for room in ROOMS for each in room.rglob("README.md"))]
}


def test_the_first_page_is_short():
    assert len(READMES["README.md"].splitlines()) <= 200


def anchors(text):
    """The addresses of a page's titles, as code hosts make them."""
    titles = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("readme", READMES)
def test_pictures_and_links_are_there(readme):
    for target in re.findall(r"\]\(([^)]+)\)", READMES[readme]):
        if "://" in target:
            continue
        path, _, title = target.partition("#")
        place = ((ROOT / readme).parent / path).resolve() if path else ROOT / readme
        assert place.exists(), target
        assert not title or title in anchors(place.read_text()), target


def test_every_readme_can_be_reached_from_the_first():
    reached, waiting = set(), ["README.md"]
    while waiting:
        readme = waiting.pop()
        reached.add(readme)
        for target in re.findall(r"\]\(([^)#]+README\.md)", READMES[readme]):
            found = str(((ROOT / readme).parent / target).resolve().relative_to(ROOT))
            if found not in reached:
                waiting.append(found)
    assert reached == set(READMES)


def keys_of(group):
    """The keys of a group's files, but for those that all of them have."""
    documents = [yaml.safe_load(path.read_text()) for path in (ROOT / "conf" / group).rglob("*.yaml")]
    return {key for document in documents for key in document} - {"name", "label", "defaults"}


def test_the_table_of_groups_has_every_choice_and_every_key():
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) \|$", READMES["conf/README.md"], re.MULTILINE)
    groups = {path.name for path in (ROOT / "conf").iterdir() if path.is_dir()} - {"hydra"}
    assert {group for group, _, _ in rows} == groups
    for group, choices, keys in rows:
        files = {path.stem for path in (ROOT / "conf" / group).glob("*.yaml")}
        assert set(re.findall(r"`(\w+)`", choices)) == files, group
        if group != "experiment":
            told = set(re.findall(r"`([\w/]+)`", re.sub(r"of [^:]*:", "", keys)))
            assert told - {"name"} == keys_of(group), group
