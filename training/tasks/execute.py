"""Learning to execute (Zaremba & Sutskever 2014, arXiv:1410.4615): a small Python program -> what it prints.

``j=85¶for x in range(4):j+=92¶print(j*3)`` -> ``1359``. Its *length* is the digits of its numbers, its *nesting* the
operations composed in it: sums and differences, products with a small number, assignments, choices, short loops.
"""

import random
import re
from collections.abc import Iterator
from string import ascii_lowercase

from training.data.corpus import Pair
from training.errors import ConfigError
from training.tasks.question import Question

# A line of a corpus file is a pair, so the lines of a program are parted by this.
NEWLINE = "¶"
# Counts in loops and factors of products go up to this many times the length, as in the paper.
SMALL = 4
# So many known programs in a row, and there are hardly any new ones left.
DRAWS_IN_VAIN = 100

_OPERATOR = re.compile(r"[+*-](?!=)| if |for ")
_ASSIGNMENT = re.compile(rf"(?:^|{NEWLINE})[a-z]=")
_NUMBER = re.compile(r"\d+")


def execute(length: int, nesting: int, count: int, seed: int) -> Iterator[Pair]:
    """``count`` programs, each once, with what they print, of up to ``length`` and ``nesting``.

    Difficulties are drawn by the paper's *combined* strategy: half of the programs are of the greatest, the other half
    of any length and nesting up to it.

    :raises ConfigError: there are not so many different programs, as far as can be seen by drawing.
    """
    if length < 1 or nesting < 1:
        raise ConfigError(f"length is {length} and nesting {nesting}, both must be 1 or more")
    generator = random.Random(seed)
    seen: set[str] = set()
    in_vain = 0
    while len(seen) < count:
        is_hardest = generator.random() < 0.5
        drawn = (length, nesting) if is_hardest else (generator.randint(1, length), generator.randint(1, nesting))
        program, printed = compose(generator, *drawn)
        if program not in seen:
            seen.add(program)
            in_vain = 0
            yield program, printed
            continue
        in_vain += 1
        if in_vain == DRAWS_IN_VAIN:
            raise ConfigError(
                f"{count:,} programs of up to {length} digits and {nesting} operations are asked for, only "
                f"{len(seen):,} different ones were found"
            )


def compose(generator: random.Random, length: int, nesting: int) -> Pair:
    """One program of just this length and nesting, and what it prints."""
    program = _Program(generator, length)
    for _ in range(nesting):
        generator.choice(
            (program.add, program.subtract, program.multiply, program.assign, program.choose, program.repeat)
        )()
    return program.text(), str(program.value)


def ask(pair: Pair) -> Question:
    """By nesting and length, read from the program."""
    program, printed = pair
    # A loop adds to a variable of its own: its assignment is part of it.
    loops, assignments = program.count("for "), len(_ASSIGNMENT.findall(program))
    nesting = len(_OPERATOR.findall(program)) + assignments - loops
    length = max(len(number) for number in _NUMBER.findall(program))
    return Question(program, "", printed, (nesting, length))


class _Program:
    """Lines, and an expression that has a value: every operation makes it the part of a larger one."""

    def __init__(self, generator: random.Random, length: int) -> None:
        self._generator, self._length = generator, length
        self._lines: list[str] = []
        # x counts in loops.
        self._names = generator.sample(ascii_lowercase.replace("x", ""), 25)
        self.value = self._number()
        self._expression = str(self.value)

    def text(self) -> str:
        """The whole program, which prints the value."""
        inner = self._expression if self._expression.startswith("(") else f"({self._expression})"
        return NEWLINE.join([*self._lines, f"print{inner}"])

    def add(self) -> None:
        number = self._number()
        left, right = self._either_way(number)
        self._become(f"({left}+{right})", self.value + number)

    def subtract(self) -> None:
        number = self._number()
        left, right = self._either_way(number)
        difference = self.value - number
        self._become(f"({left}-{right})", difference if right == str(number) else -difference)

    def multiply(self) -> None:
        factor = self._generator.randint(2, SMALL * self._length)
        left, right = self._either_way(factor)
        self._become(f"({left}*{right})", self.value * factor)

    def assign(self) -> None:
        name = self._assigned()
        self._become(name, self.value)

    def choose(self) -> None:
        one, other, instead = self._number(), self._number(), self._number()
        sign = self._generator.choice("<>")
        holds = one < other if sign == "<" else one > other
        self._become(f"({self._expression} if {one}{sign}{other} else {instead})", self.value if holds else instead)

    def repeat(self) -> None:
        name, number = self._assigned(), self._number()
        times, sign = self._generator.randint(1, SMALL * self._length), self._generator.choice("+-")
        self._lines.append(f"for x in range({times}):{name}{sign}={number}")
        self._become(name, self.value + times * (number if sign == "+" else -number))

    def _become(self, expression: str, value: int) -> None:
        self._expression, self.value = expression, value

    def _assigned(self) -> str:
        name = self._names.pop()
        self._lines.append(f"{name}={self._expression}")
        return name

    def _number(self) -> int:
        return self._generator.randrange(10 ** (self._length - 1), 10**self._length)

    def _either_way(self, number: int) -> tuple[str, str]:
        both = self._expression, str(number)
        return both if self._generator.random() < 0.5 else (both[1], both[0])
