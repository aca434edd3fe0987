package service

import (
	_ "stoa/modules/catalog/catalogrpc"
)
