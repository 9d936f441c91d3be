"""Learning to execute (Zaremba & Sutskever 2014, arXiv:1410.4615): from a small Python program to its output.

Example: ``j=85¶for x in range(4):j+=92¶print(j*3)`` -> ``1359``. The *length* of a program is the number of digits of
its numbers. Its *nesting* is the number of composed operations: sums and differences, products with a small number,
assignments, conditional expressions, short loops.
"""

import random
import re
from collections.abc import Iterator
from string import ascii_lowercase

from training.data.corpus import Pair
from training.errors import ConfigError
from training.tasks.question import Question

# Separates the lines of a program, because a line of a corpus file is a pair.
NEWLINE = "¶"
# Counts in loops and factors of products are at most this multiple of the length, as in the paper.
SMALL = 4
# After this number of duplicates in a row, hardly any new programs are left.
DRAWS_IN_VAIN = 100

_OPERATOR = re.compile(r"[+*-](?!=)| if |for ")
_ASSIGNMENT = re.compile(rf"(?:^|{NEWLINE})[a-z]=")
_NUMBER = re.compile(r"\d+")


def execute(length: int, nesting: int, count: int, seed: int) -> Iterator[Pair]:
    """Yields different programs and their outputs.

    Difficulties are drawn by the paper's *combined* strategy: half of the programs have the largest length and
    nesting, the other half any length and nesting up to these.

    Args:
        length: Largest number of digits.
        nesting: Largest number of composed operations.
        count: Number of programs.
        seed: Of the draws.

    Raises:
        ConfigError: A limit is below 1, or drawing does not find ``count`` different programs.
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
                f"cannot draw {count:,} programs of up to {length} digits and {nesting} operations: only "
                f"{len(seen):,} different ones were found"
            )


def compose(generator: random.Random, length: int, nesting: int) -> Pair:
    """Returns a program of exactly this length and nesting, and its output."""
    program = _Program(generator, length)
    for _ in range(nesting):
        generator.choice(
            (program.add, program.subtract, program.multiply, program.assign, program.choose, program.repeat)
        )()
    return program.text(), str(program.value)


def build_question(pair: Pair) -> Question:
    """Returns the question of a program, grouped by its nesting and length."""
    program, printed = pair
    # The assignment of the variable that a loop adds to is a part of the loop, not an operation.
    loops, assignments = program.count("for "), len(_ASSIGNMENT.findall(program))
    nesting = len(_OPERATOR.findall(program)) + assignments - loops
    length = max(len(number) for number in _NUMBER.findall(program))
    return Question(program, "", printed, (nesting, length))


class _Program:
    """Lines, and an expression with its value. Every operation makes the expression a part of a larger one."""

    def __init__(self, generator: random.Random, length: int) -> None:
        self._generator, self._length = generator, length
        self._lines: list[str] = []
        # x is the loop variable.
        self._names = generator.sample(ascii_lowercase.replace("x", ""), 25)
        self.value = self._number()
        self._expression = str(self.value)

    def text(self) -> str:
        """Returns the whole program, which prints the value."""
        inner = self._expression if self._expression.startswith("(") else f"({self._expression})"
        return NEWLINE.join([*self._lines, f"print{inner}"])

    def add(self) -> None:
        """Adds a number."""
        number = self._number()
        left, right = self._either_way(number)
        self._replace(f"({left}+{right})", self.value + number)

    def subtract(self) -> None:
        """Subtracts a number, or subtracts from a number."""
        number = self._number()
        left, right = self._either_way(number)
        difference = self.value - number
        self._replace(f"({left}-{right})", difference if right == str(number) else -difference)

    def multiply(self) -> None:
        """Multiplies by a small number."""
        factor = self._generator.randint(2, SMALL * self._length)
        left, right = self._either_way(factor)
        self._replace(f"({left}*{right})", self.value * factor)

    def assign(self) -> None:
        """Assigns the expression to a variable."""
        name = self._assign_variable()
        self._replace(name, self.value)

    def choose(self) -> None:
        """Makes the expression the first branch of a conditional expression."""
        one, other, instead = self._number(), self._number(), self._number()
        sign = self._generator.choice("<>")
        holds = one < other if sign == "<" else one > other
        self._replace(f"({self._expression} if {one}{sign}{other} else {instead})", self.value if holds else instead)

    def repeat(self) -> None:
        """Assigns the expression to a variable and changes it in a loop."""
        name, number = self._assign_variable(), self._number()
        times, sign = self._generator.randint(1, SMALL * self._length), self._generator.choice("+-")
        self._lines.append(f"for x in range({times}):{name}{sign}={number}")
        self._replace(name, self.value + times * (number if sign == "+" else -number))

    def _replace(self, expression: str, value: int) -> None:
        self._expression, self.value = expression, value

    def _assign_variable(self) -> str:
        name = self._names.pop()
        self._lines.append(f"{name}={self._expression}")
        return name

    def _number(self) -> int:
        return self._generator.randrange(10 ** (self._length - 1), 10**self._length)

    def _either_way(self, number: int) -> tuple[str, str]:
        both = self._expression, str(number)
        return both if self._generator.random() < 0.5 else (both[1], both[0])
