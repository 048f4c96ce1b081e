# SPDX-License-Identifier: Apache-2.0
"""The table of figures: docs/figures.tsv, and docs/figures.md with its plots made from it.

A suite replaces its own rows and leaves the others. ratio = ours / peer; a goal is a text such as
"<= 64 MiB" or "ratio <= 0.1" and is judged here only for the reader: no figure fails a test.
"""
import os
import re
import statistics
import time
from xml.sax.saxutils import escape

from fixture import TOP

COLUMNS = ("name", "value", "unit", "peer", "peer_value", "ratio", "goal", "where", "machine", "date")
TSV = os.path.join(TOP, "docs", "figures.tsv")
PAGE = os.path.join(TOP, "docs", "figures.md")
PLOTS = os.path.join(TOP, "docs", "figures")


def machine():
    """One phrase for the machine that measured."""
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        model = re.search(r"model name\s*:\s*(.*)", f.read())
    return "%s, %d cores" % (model.group(1).strip() if model else os.uname().machine,
                             os.cpu_count())


def text(number):
    """A number as the table holds it: four significant digits, whole ones without a point."""
    if isinstance(number, str):
        return number
    return "%d" % round(number) if abs(number) >= 1000 or number == int(number) else "%.4g" % number


def row(name, values, unit, goal="", peer="", peer_values=(), where="same VM"):
    """One row of medians; the ratio is left out where there is no peer."""
    value = statistics.median(values)
    known = {"name": name, "value": text(value), "unit": unit, "peer": peer, "goal": goal,
             "where": where, "machine": machine(), "date": time.strftime("%Y-%m-%d", time.gmtime()),
             "peer_value": "", "ratio": ""}
    if peer_values:
        other = statistics.median(peer_values)
        known["peer_value"] = text(other)
        known["ratio"] = "%.3g" % (value / other) if other else ""
    return known


def read():
    if not os.path.exists(TSV):
        return []
    with open(TSV, encoding="utf-8") as f:
        lines = [line.rstrip("\n").split("\t") for line in f]
    return [dict(zip(COLUMNS, line)) for line in lines[1:] if len(line) == len(COLUMNS)]


def merge(rows):
    """Writes the table with these rows in place of older ones of the same name."""
    fresh = {r["name"] for r in rows}
    table = sorted([r for r in read() if r["name"] not in fresh] + rows, key=lambda r: r["name"])
    os.makedirs(os.path.dirname(TSV), exist_ok=True)
    with open(TSV, "w", encoding="utf-8") as f:
        f.write("\t".join(COLUMNS) + "\n")
        f.writelines("\t".join(r[c] for c in COLUMNS) + "\n" for r in table)
    return table


def reached(r):
    """"yes", "no" or "" for a row's goal, such as `<= 8 MiB` or `ratio <= 0.1`."""
    m = re.fullmatch(r"(ratio )?<= ([0-9.,]+)( .*)?", r["goal"])
    if not m or (m.group(1) and not r["ratio"]):
        return ""
    limit = float(m.group(2).replace(",", ""))
    factor = {" MiB": 1 << 20, " KiB": 1 << 10}.get(m.group(3), 1) if r["unit"] == "bytes" else 1
    return "yes" if float(r["ratio" if m.group(1) else "value"]) <= limit * factor else "no"


def shown(value, unit):
    """A value of the table for people: bytes as KiB or MiB."""
    number = float(value)
    if unit == "bytes":
        for name, size in (("MiB", 1 << 20), ("KiB", 1 << 10)):
            if number >= size:
                return "%.3g %s" % (number / size, name)
    return "%s %s" % (value, unit)


def page(table):
    """docs/figures.md: the table for people, then the plots."""
    lines = ["# Figures", "", "Made by `make bench`; each value is a median of at least five runs, ratio "
             "= ours / peer in the same call,", "lower is better. `figures.tsv` holds the same for "
             "programs.", "",
             "| figure | ours | peer | ratio | goal | reached | where | date |",
             "|---|---:|---:|---:|---|---|---|---|"]
    for r in table:
        peer = shown(r["peer_value"], r["unit"]) if r["peer_value"] else "-"
        lines.append("| `%s` | %s | %s | %s | %s | %s | %s | %s |" % (
            r["name"], shown(r["value"], r["unit"]), peer, r["ratio"] or "-", r["goal"] or "-",
            reached(r) or "-", r["where"], r["date"]))
    lines += [""] + ["Peer of `%s`: %s." % ("`, `".join(r["name"] for r in table if r["peer"] == peer),
                                            peer)
                     for peer in sorted({r["peer"] for r in table if r["peer"]})]
    lines += ["", "Machine: " + "; ".join(sorted({r["machine"] for r in table})) + ".", ""]
    lines += ["![%s](figures/%s)\n" % (name[:-4], name) for name in sorted(os.listdir(PLOTS))
              if name.endswith(".svg")] if os.path.isdir(PLOTS) else []
    with open(PAGE, "w", encoding="utf-8") as f:
        f.write("\n".join(lines).rstrip("\n") + "\n")


def svg(width, height, parts):
    return ('<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" '
            'font-size="12">\n<rect width="100%%" height="100%%" fill="white"/>\n%s\n</svg>\n'
            % (width, height, "\n".join(parts)))


def label(x, y, what, anchor="start"):
    return '<text x="%d" y="%d" text-anchor="%s">%s</text>' % (x, y, anchor, escape(what))


def bar(x, y, width, colour):
    return '<rect x="%d" y="%d" width="%d" height="14" fill="%s"/>' % (x, y, max(1, width), colour)


def write_plot(name, content):
    os.makedirs(PLOTS, exist_ok=True)
    with open(os.path.join(PLOTS, name), "w", encoding="utf-8") as f:
        f.write(content)


def plot_ratios(table, name):
    """A bar per row that has a ratio: ours against the peer, which is the full width."""
    parts, y = [], 30
    parts.append(label(10, 18, "ours (dark) against the peer (light), each row scaled to the larger"))
    for r in (r for r in table if r["ratio"] and not r["name"].endswith(".ratio")):
        ours, peer = float(r["value"]), float(r["peer_value"])
        full = max(ours, peer)
        parts += [label(10, y + 18, r["name"]),
                  bar(260, y, 380 * ours / full, "#1b4f72"),
                  label(645, y + 11, shown(r["value"], r["unit"])),
                  bar(260, y + 15, 380 * peer / full, "#aed6f1"),
                  label(645, y + 26, "%s  %s" % (shown(r["peer_value"], r["unit"]), r["peer"]))]
        y += 42
    write_plot(name, svg(960, y + 10, parts))


def tick_ms(end):
    """A round distance between the lines of a scale that ends there: four to ten of them."""
    step = 1
    while end / step > 10:
        step *= 5 if str(step)[0] == "2" or step == 1 else 2
    return step


def plot_track(title, marks, end, y):
    """One boot: its parts, and the y below it."""
    parts, last, top = [label(10, y, title)], 0, y + 6
    rows = []
    for number, (what, ms) in enumerate(sorted(marks, key=lambda m: m[1])):
        y += 20
        x, width = 150 + 600 * last / end, 600 * (ms - last) / end
        rows += [label(140, y, what, "end"), bar(x, y - 11, width, "#1b4f72" if number % 2 else "#2e86c1"),
                 label(x + width + 5, y, "%d ms" % ms)]
        last = ms
    step = tick_ms(end)
    for ms in range(0, int(end) + 1, step):
        x = 150 + 600 * ms / end
        parts += ['<line x1="%d" y1="%d" x2="%d" y2="%d" stroke="#d5d8dc"/>' % (x, top, x, y + 8),
                  '<text x="%d" y="%d" text-anchor="middle" font-size="9" fill="#808b96">%d</text>'
                  % (x, y + 18, ms)]
    return parts + rows, y + 45


def plot_timeline(panels, name):
    """Boots over time, one below the other. A panel is a list of (title, [(milestone, ms)...]) that
    share a scale."""
    parts, y = [], 20
    for tracks in panels:
        end = max(ms for _, marks in tracks for _, ms in marks) or 1
        for title, marks in tracks:
            more, y = plot_track(title, marks, end, y)
            parts += more
    write_plot(name, svg(900, y - 15, parts))
