// Command stoa-payments is the payments module alone, as a service among others.
package main

import (
	"stoa/app"
	"stoa/modules/payments/module"
)

func main() { app.Main(module.New()) }
