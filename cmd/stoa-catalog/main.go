// Command stoa-catalog is the catalog module alone, as a service among others.
package main

import (
	"stoa/app"
	"stoa/modules/catalog/module"
)

func main() { app.Main(module.New()) }
