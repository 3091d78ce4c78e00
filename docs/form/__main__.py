"""python -m docs.form: makes form.png, the form as it opens and with everything opened."""

import sys
from pathlib import Path

from docs.form.browser import NAMES, find_browser, open_page
from docs.form.page import page_of
from docs.form.picture import take_picture
from source_clockify.manifest_file import load_manifest

PICTURE = Path(__file__).with_name("form.png")


def main() -> int:
    browser = find_browser()
    if browser is None:
        print(f"Install a browser: {' or '.join(NAMES)}.", file=sys.stderr)
        return 1
    html = page_of(load_manifest()["spec"]["connection_specification"])
    with open_page(browser, html) as tab:
        picture = take_picture(tab, html)
        problems = tab.problems
    for problem in problems:
        print(f"The page says: {problem}", file=sys.stderr)
    PICTURE.write_bytes(picture)
    print(f"{PICTURE}: {len(picture) // 1000} kB")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
