// Command stoa-users is the users module alone, as a service among others.
package main

import (
	"stoa/app"
	"stoa/modules/users/module"
)

func main() { app.Main(module.New()) }
