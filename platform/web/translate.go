package web

import (
	"bytes"

	"github.com/valyala/fasthttp"
)

// wantsCBOR tells whether the caller would rather have CBOR than JSON.
func wantsCBOR(accept []byte) bool {
	switch string(accept) {
	case "", "*/*", jsonType: // most, by far
		return false
	}
	return quality(accept, cborType, problemCBORType) > quality(accept, jsonType, problemJSONType)
}

// translate puts an answer that is JSON into CBOR where that was asked for.
func (r *request) translate() {
	resp := &r.http.Response
	if !wantsCBOR(r.sent.accept) || len(resp.Body()) == 0 {
		return
	}
	kind := cborType
	switch string(resp.Header.ContentType()) {
	case jsonType:
	case problemJSONType:
		kind = problemCBORType
	default:
		return
	}
	data, err := toCBOR(resp.Body())
	if err != nil {
		r.fail(err)
		return
	}
	resp.Header.SetContentType(kind)
	resp.SetBodyRaw(data)
}

// quality is how much a caller wants one of two types, in thousandths
// (RFC 9110 §12.5.1).
func quality(accept []byte, kinds ...string) int {
	best, exact := 0, false
	for part := range bytes.SplitSeq(accept, []byte{','}) {
		kind, parameters, _ := bytes.Cut(part, []byte{';'})
		kind = bytes.TrimSpace(kind)
		named := false
		for _, k := range kinds {
			named = named || bytes.EqualFold(kind, []byte(k))
		}
		wild := string(kind) == "*/*" || string(kind) == "application/*"
		if !named && (!wild || exact) {
			continue
		}
		q := 1000
		for p := range bytes.SplitSeq(parameters, []byte{';'}) {
			if value, ok := bytes.CutPrefix(bytes.TrimSpace(p), []byte("q=")); ok {
				q = thousandths(value)
			}
		}
		if named && !exact {
			best, exact = q, true
		} else {
			best = max(best, q)
		}
	}
	return best
}

// thousandths reads a weight: 0, 1, or up to three digits after the point.
func thousandths(text []byte) int {
	q, err := fasthttp.ParseUfloat(text)
	if err != nil || q > 1 {
		return 0
	}
	return int(q * 1000)
}
