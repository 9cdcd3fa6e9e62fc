"""Configs: unknown keys and values, invalid TOML, and excessive nesting."""

from __future__ import annotations

from random import Random

from tests.fuzzing.mutations import cut_or_extended, damaged

VALID = """\
[backend]
name = "numpy"
dtype = "float32"
threads = 1

[data]
name = "csv"
path = "flowers.csv"
target = "kind"
validation_size = 20
test_fraction = 0.2

[model]
hidden_layer_sizes = [16, 8]
activation = "relu"

[train]
epochs = 3
batch_size = 16
optimizer = "adam"
learning_rate = 0.01
schedule = "cosine"
patience = 2

[grid]
runs = 2
learning_rate = [0.1, 0.01]
hidden_layer_sizes = [[8], [4, 4]]

[output]
folder = "runs"
plots = false
"""

VALUES = (
    *("0", "1", "-1", "1.5", "nan", "inf", "-0.0", "1e400", "9" * 30, "9" * 5000, "true", '"none"', '""', '"x"'),
    *('"a\\u0000b"', '"\\u001b[31m"', '"=1"', "'''\n'''", "[]", "[[]]", "[1, 'a']", "{}", "{a = 1}", "1979-05-27"),
    *("07:32:00", "0x10", "[" * 50 + "]" * 50, "[" * 3000, "{a=" * 40 + "1" + "}" * 40, "[" + "1," * 3000 + "]"),
    *('"../../../etc/passwd"', '"~nobody/x"', '"' + "x" * 5000 + '"', "+", "=", "'", '"\\q"'),
)
LINES = (
    *("[nowhere]", "[data]", "[[data]]", "[train.epochs]", "epochs", "= 1", "extends = 'base.toml'", "extends = 7"),
    *("extends = '../../../../etc/passwd'", "a.b.c = 1", "[a.'b'.\"c\"]", "." * 50, "x = 1 # \x07", "\x1b[31m = 1"),
    *("a." * 500 + "a = 1", "[" + "a ." * 500 + "a]", "x = {" + "'a'." * 300 + "a = 1}", "é = 1", '"é" = "[red]"'),
)


def make(random: Random) -> bytes:
    """A config, and perhaps something wrong with it."""
    lines = VALID.splitlines()
    for _ in range(random.randint(0, 3)):
        place = random.randrange(len(lines))
        match random.randrange(6):
            case 0 | 1:
                key, equals, _ = lines[place].partition("=")
                lines[place] = f"{key}{equals} {random.choice(VALUES)}"
            case 2:
                lines.insert(place, random.choice(LINES))
            case 3:
                del lines[place]
            case 4:
                lines.insert(random.randrange(len(lines)), lines[place])
            case _:
                lines[place] = damaged(lines[place].encode(), random, at_most=1).decode("utf-8", "replace")
    content = "\n".join(lines).encode()
    match random.randrange(12):
        case 0:
            return damaged(content, random)
        case 1:
            return cut_or_extended(content, random)
    return content
