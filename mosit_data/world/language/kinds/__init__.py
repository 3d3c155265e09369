"""The kinds of dialogue: each is a function that draws scenes and puts them into words."""
