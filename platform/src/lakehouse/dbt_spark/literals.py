"""Texts in SQL mean on Spark what they mean in DuckDB and in standard SQL: a backslash is one.

Spark's own switch, `spark.sql.parser.escapedStringLiterals`, takes the doubled quote of `'it''s'` for two, silently.
"""

import re

#: What SQL is made of, where a quote begins no text: comments, quoted names, and Spark's raw literals.
_OTHERS = r"""--[^\n]*|/\*.*?\*/|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\b[rR]'[^']*'"""
_TOKEN = re.compile(rf"(?P<other>{_OTHERS})|'(?:[^']|'')*'", re.DOTALL)


def with_backslashes(sql: str) -> str:
    """``sql`` with every backslash in a text doubled, as Spark writes one."""
    return _TOKEN.sub(lambda match: match[0] if match["other"] else match[0].replace("\\", r"\\"), sql)
