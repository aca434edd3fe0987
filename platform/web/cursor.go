package web

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strings"

	"github.com/go-json-experiment/json"

	"stoa/platform/errs"
)

// Cursors makes and reads the cursors of one list. A cursor holds a position
// in the list, such as the sort key and id of the last item, and an HMAC that
// binds it to what the list is of: a cursor that was tampered with, or that
// comes from another list or other filters, is refused.
type Cursors struct {
	key  []byte
	list []byte
}

// Cursors gives those of the list that scope describes: a name for it, and the
// filters and the order that were asked for.
//
//	c := r.Cursors("products", in.Query, in.Category, in.Sort)
func (r *Router) Cursors(scope ...any) Cursors {
	// A scope that has no JSON is a defect that the list's own test meets.
	list, err := json.Marshal(append([]any{r.module}, scope...), encoding)
	if err != nil {
		panic("web: a cursor cannot be bound to this: " + err.Error())
	}
	return Cursors{key: r.server.cursorKey, list: list}
}

const macSize = 16

func (c Cursors) mac(position []byte) []byte {
	h := hmac.New(sha256.New, c.key)
	h.Write(c.list)
	h.Write([]byte{0})
	h.Write(position)
	return h.Sum(nil)[:macSize]
}

// Encode gives the cursor that leads on from a position.
func (c Cursors) Encode(position any) string {
	text, err := json.Marshal(position, encoding)
	if err != nil {
		panic("web: a position has no JSON: " + err.Error())
	}
	return base64.RawURLEncoding.EncodeToString(append(c.mac(text), text...))
}

// Decode reads the position from a cursor; for an empty cursor it leaves
// position as it is. Error: errs.ErrInvalid, naming query.cursor.
func (c Cursors) Decode(cursor string, position any) error {
	if cursor == "" {
		return nil
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || strings.ContainsAny(cursor, "\r\n") || len(raw) < macSize || !hmac.Equal(raw[:macSize], c.mac(raw[macSize:])) {
		return errs.ErrInvalid.Field("query.cursor", "is none of this list's, with these filters")
	}
	if err := json.Unmarshal(raw[macSize:], position); err != nil {
		return errs.ErrInvalid.Field("query.cursor", "is of an older form").Because(err)
	}
	return nil
}
