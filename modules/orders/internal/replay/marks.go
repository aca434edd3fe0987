package replay

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"

	"stoa/modules/orders/internal/replay/history"
)

// What the shop shows of the replay. It is looked for again, so it stays the
// same for ever.
const (
	markPrefix = "Online Retail invoice "
	domain     = "replay.example.com" // reserved (RFC 2606): nobody gets mail there
	vendor     = "Online Retail"
)

// orderMark stands in the address of an order.
func orderMark(o *history.Order) string { return markPrefix + o.Mark() }

// markOf gives the invoice that an address names; false where it names none.
func markOf(line2 string) (string, bool) { return strings.CutPrefix(line2, markPrefix) }

// returnReason stands on a cancellation, a refund and the stock that comes back.
func returnReason(r *history.Return) string { return markPrefix + r.Mark() }

// writeOffReason stands on stock that is written off.
func writeOffReason(w history.WriteOff) string { return markPrefix + w.Mark }

// stockInReason stands on the stock that a file puts in.
func stockInReason(file string) string { return "Online Retail stock of " + file }

// slug names a code's product in addresses.
func slug(code string) string {
	return "retail-" + strings.ToLower(code)
}

// email is the address of a customer's account.
func email(c *history.Customer) string {
	if c.ID == "" {
		return c.Name() + "@" + domain
	}
	return "customer-" + strings.ToLower(c.ID) + "@" + domain
}

// password is a customer's: the same whenever it is worked out from one seed.
func password(seed, email string) string {
	mac := hmac.New(sha256.New, []byte(seed))
	fmt.Fprint(mac, email)
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}
