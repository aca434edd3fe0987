package web

import (
	"bytes"
	"encoding/hex"
	"strings"
	"unicode/utf8"

	"stoa/platform/errs"
)

// judgeQuery refuses what Huma would pass over: parameters that are not known,
// stand there twice, or hold what is no text.
func (r *request) judgeQuery() error {
	raw := r.http.URI().QueryString()
	if len(raw) == 0 {
		return nil
	}
	if !decodable(raw) {
		return ErrBadRequest.With("the query has a percent sign that encodes nothing")
	}
	e := errs.ErrInvalid
	seen := map[string]bool{}
	for name, value := range r.http.QueryArgs().All() {
		name, at := string(name), "query."+shortened(name)
		repeatable, known := r.op.query[name]
		switch {
		case !known:
			e = e.Field(at, "is not a known parameter")
		case seen[name] && !repeatable:
			e = e.Field(at, "stands there more than once")
		case !isText(value):
			e = e.Field(at, "must be UTF-8 without control characters")
		}
		seen[name] = true
		if len(e.Fields) == maxFields {
			break
		}
	}
	if len(e.Fields) > 0 {
		return e
	}
	return nil
}

// shortened gives what of a caller's name for something is repeated to them.
func shortened(name []byte) string {
	return strings.ToValidUTF8(string(name[:min(len(name), maxName)]), "\uFFFD")
}

// isText tells that b is UTF-8 without control characters, of which the line
// ends and tabs are none.
func isText(b []byte) bool {
	for _, c := range b {
		if c < ' ' && c != '\n' && c != '\r' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return utf8.Valid(b)
}

// decodable tells whether every percent sign begins an encoded byte.
func decodable(b []byte) bool {
	for {
		i := bytes.IndexByte(b, '%')
		if i < 0 {
			return true
		}
		b = b[i+1:]
		if len(b) < 2 {
			return false
		}
		var decoded [1]byte
		if _, err := hex.Decode(decoded[:], b[:2]); err != nil {
			return false
		}
		b = b[2:]
	}
}
