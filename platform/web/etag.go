package web

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"
	"github.com/valyala/fasthttp"
)

// ETag is the field of an output by which its answer can be told from a later
// one:
//
//	ETag web.ETag `header:"ETag"`
//
// It is set with Version. What is sent is "<version>-<hash of the body>": it
// changes with everything the answer shows, and If-Match reads the version.
type ETag string

// Version makes the ETag of a resource in its given version.
func Version(v int64) ETag { return ETag(strconv.FormatInt(v, 10)) }

// IfMatch is embedded in the inputs of operations that change a resource which
// has a version.
type IfMatch struct {
	Value string `header:"If-Match" doc:"ETags of versions to change; others are left alone (412)."`
}

// Check tells whether the resource, in the version it has now, is one the
// caller means to change. Error: ErrPreconditionFailed.
func (m IfMatch) Check(version int64) error {
	if m.Value == "" {
		return nil
	}
	for tag := range strings.SplitSeq(m.Value, ",") {
		tag = strings.TrimSpace(tag)
		if tag == "*" {
			return nil
		}
		// Weak tags never match here (RFC 9110 §13.1.1).
		text, opened := strings.CutPrefix(tag, `"`)
		text, closed := strings.CutSuffix(text, `"`)
		number, _, _ := strings.Cut(text, "-")
		if v, err := strconv.ParseInt(number, 10, 64); opened && closed && err == nil && v == version {
			return nil
		}
	}
	return ErrPreconditionFailed
}

// tag puts the ETag on an answer that has one, and answers 304 where the caller
// has the same already.
func (r *request) tag() {
	if r.version == "" {
		return
	}
	resp := &r.http.Response
	etag := make([]byte, 0, 48)
	etag = append(etag, '"')
	etag = append(etag, r.version...)
	etag = append(etag, '-')
	etag = strconv.AppendUint(etag, xxhash.Sum64(resp.Body()), 36)
	etag = append(etag, '"')
	resp.Header.SetCanonical(nameETag, etag)
	if resp.StatusCode() != http.StatusOK || !r.http.IsGet() && !r.http.IsHead() {
		return
	}
	if !r.caching {
		resp.Header.SetCanonical(nameCacheControl, valuePrivate)
		r.caching = true
	}
	if len(r.sent.ifNoneMatch) == 0 || noneMatch(header(&r.http.Request.Header, fasthttp.HeaderIfNoneMatch), string(etag)) {
		return
	}
	resp.ResetBody()
	resp.SetStatusCode(http.StatusNotModified)
	resp.Header.Del(fasthttp.HeaderContentType)
	resp.Header.SetContentTypeBytes(nil)
}

// noneMatch compares weakly (RFC 9110 §13.1.2).
func noneMatch(list, etag string) bool {
	for tag := range strings.SplitSeq(list, ",") {
		tag = strings.TrimSpace(tag)
		if tag == "*" || strings.TrimPrefix(tag, "W/") == etag {
			return false
		}
	}
	return true
}
