// Package app measures itself.
package app

import _ "stoa/app/bench/load"
