package format

import (
	"fmt"
	"io"
)

// Writer writes products into a file, one after the other, in the order in
// which they are given: a catalogue's export gives them by slug. Positions that
// are equal are moved apart and tags that stand twice are written once, as
// reading would do; all else is written as it is.
type Writer struct{ sink sink }

type sink interface {
	write(p *Product) error
	close() error
}

// NewWriter begins a file. It returns what w returned.
func NewWriter(f Format, w io.Writer) (*Writer, error) {
	var s sink
	var err error
	switch f {
	case Shopify:
		s, err = newSheetSink(w, &shopify)
	case CSV:
		s, err = newSheetSink(w, &plain)
	case JSON:
		s, err = newJSONSink(w)
	default:
		err = fmt.Errorf("there is no format %q", f)
	}
	if err != nil {
		return nil, err
	}
	return &Writer{s}, nil
}

// Write writes a product. It returns what the file's io.Writer returned, which
// may be about a product before this one: writing is buffered.
func (w *Writer) Write(p Product) error {
	p = p.clone()
	p.normalize(nil)
	return w.sink.write(&p)
}

// Close ends the file and writes what is buffered. Without it the file is not
// whole. It does not close the file's io.Writer.
func (w *Writer) Close() error { return w.sink.close() }
