package app

import (
	_ "github.com/valyala/fasthttp"
)
