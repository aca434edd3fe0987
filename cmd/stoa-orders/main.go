// Command stoa-orders is the orders module alone, as a service among others.
package main

import (
	"stoa/app"
	"stoa/modules/orders/module"
)

func main() { app.Main(module.New()) }
