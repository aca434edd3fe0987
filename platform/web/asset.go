package web

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/cespare/xxhash/v2"
	"github.com/valyala/fasthttp"
)

// asset is a document that stays as it is while the process runs. It is kept
// packed, and unpacked for the few clients that cannot do so themselves.
type asset struct {
	kind   string
	packed []byte
	etag   string
}

func newPackedAsset(kind string, packed []byte) *asset {
	return &asset{kind: kind, packed: packed, etag: `"` + strconv.FormatUint(xxhash.Sum64(packed), 36) + `"`}
}

func newAsset(kind string, plain []byte) *asset {
	var packed bytes.Buffer
	w := must(gzip.NewWriterLevel(&packed, gzip.BestCompression))
	must(w.Write(plain)) // a buffer takes everything
	if err := w.Close(); err != nil {
		panic(err)
	}
	return newPackedAsset(kind, packed.Bytes())
}

// keep says how an answer may be kept (RFC 9111 §5.2.2).
func (r *request) keep(how string) {
	r.caching = true
	r.http.Response.Header.Set(fasthttp.HeaderCacheControl, how)
}

// serve answers with the asset, or that the caller has it already.
func (a *asset) serve(r *request) error {
	resp, sent := &r.http.Response, &r.http.Request.Header
	resp.Header.Set(fasthttp.HeaderETag, a.etag)
	resp.Header.Add(fasthttp.HeaderVary, fasthttp.HeaderAcceptEncoding)
	if list := header(sent, fasthttp.HeaderIfNoneMatch); list != "" && !noneMatch(list, a.etag) {
		resp.SetStatusCode(http.StatusNotModified)
		return nil
	}
	resp.Header.SetContentType(a.kind)
	if sent.HasAcceptEncoding("gzip") {
		resp.Header.SetContentEncoding("gzip")
		resp.SetBodyRaw(a.packed)
		return nil
	}
	reader, err := gzip.NewReader(bytes.NewReader(a.packed))
	if err != nil {
		return fmt.Errorf("unpack an asset: %w", err)
	}
	plain, err := io.ReadAll(reader)
	if err != nil {
		return fmt.Errorf("unpack an asset: %w", err)
	}
	resp.SetBodyRaw(plain)
	return nil
}
