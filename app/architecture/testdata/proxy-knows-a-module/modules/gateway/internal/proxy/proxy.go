package proxy

import (
	_ "stoa/modules/catalog"
)
