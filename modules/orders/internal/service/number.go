package service

import (
	"encoding/base32"
	"errors"

	"stoa/platform/clock"
)

// numbers are written in Crockford's base 32, which has no letters that are
// taken for digits or for each other.
var numbers = base32.NewEncoding("0123456789ABCDEFGHJKMNPQRSTVWXYZ").WithPadding(base32.NoPadding)

// errNumberTaken says that an order has this number already.
var errNumberTaken = errors.New("the order's number is taken")

// numberTries is how many numbers are tried where they are taken.
const numberTries = 5

// newNumber makes what people call an order: 50 random bits as "7K3M9-QXA2B",
// which tells nobody how many orders there are.
func newNumber(c clock.Clock) string {
	random := make([]byte, 7)
	_, _ = c.Read(random) // it never fails
	text := numbers.EncodeToString(random)
	return text[:5] + "-" + text[5:10]
}
