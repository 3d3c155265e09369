"""python -m anygen"""

from anygen.cli.main import main

main()
