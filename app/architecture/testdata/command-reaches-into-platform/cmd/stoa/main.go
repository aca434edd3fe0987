package main

import (
	_ "stoa/platform/db"
)

func main() {}
