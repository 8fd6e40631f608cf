"""What every page that is made begins with."""

MADE = "<!-- Made by tools/reference; change the code or what lies there, not this page. -->"
