"""python -m anygen"""

from anygen.cli import main

main()
