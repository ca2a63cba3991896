"""Reads a page as browsers do, with html5lib, which ends with the first error in it, and prints what could make
a browser ask somebody else for something, and what a reader sees, as JSON."""

import json
import sys

import html5lib

# Attributes that name something to be fetched, run or gone to (HTML Living Standard, "Attributes").
FETCHES = {
    "action", "background", "cite", "data", "formaction", "href", "icon", "longdesc", "manifest", "ping",
    "poster", "profile", "src", "srcdoc", "srcset", "usemap", "xlink:href",
}
RUNS = {"script", "iframe", "object", "embed", "link", "base"}

with open(sys.argv[1], "rb") as file:
    text = file.read()
page = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(text, transport_encoding="utf-8")

elements = list(page.iter())
attributes = [(str(element.tag), name, value) for element in elements for name, value in element.attrib.items()]
styles = [element.text or "" for element in elements if element.tag == "style"]
styles += [value for _, name, value in attributes if name == "style"]
rows = [row for row in page.iter("tr") if "known by" in row.get("title", "")]
named = {value for _, name, value in attributes if name == "id"}
print(
    json.dumps(
        {
            "title": page.findtext(".//title"),
            "language": next(page.iter("html")).get("lang"),
            "fetches": [a for a in attributes if a[1].lower() in FETCHES or a[1].lower().startswith("on")],
            "runs": [str(element.tag) for element in elements if str(element.tag) in RUNS],
            "styles_fetch": [style for style in styles if "url(" in style or "@import" in style],
            "schemes": "prefers-color-scheme: dark" in "".join(styles),
            "traces": [p.text.split()[1] for p in page.iter("p") if (p.text or "").startswith("trace ")],
            "parts": [["".join(row.find("th").itertext()), row.findall("td")[1].text] for row in rows],
            "headings": ["".join(element.itertext()) for element in elements if element.tag in ("h1", "h2")],
            "drawings": len([e for e in elements if str(e.tag).endswith("svg") and e.get("aria-label")]),
            "pointing_nowhere": [a for a in attributes if a[1] == "aria-labelledby" and a[2] not in named],
        }
    )
)
