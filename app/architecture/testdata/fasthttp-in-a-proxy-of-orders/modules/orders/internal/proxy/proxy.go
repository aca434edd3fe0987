package proxy

import (
	_ "github.com/valyala/fasthttp"
)
