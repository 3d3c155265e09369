"""python -m anygen"""

from anygen.cli.main import run

run()
