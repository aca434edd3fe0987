package format

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// scanner splits comma separated values (RFC 4180) into rows and cells. It is
// here because encoding/csv turns CR LF inside a quoted cell into LF, and a
// description has to come back byte for byte. It keeps one row in memory.
//
// A quote inside a cell that does not begin with one stands for itself. Rows
// end in LF or CR LF. Cells past the first max of a row are counted, not kept.
type scanner struct {
	in   *bufio.Reader
	max  int
	row  int    // the number of the current row, the first being 1
	n    int    // how many cells it has
	text []byte // its cells, one behind the other
	ends []int  // where in text each of them ends
	long []byte // a line that is longer than the buffer of in
}

func newScanner(in *bufio.Reader) *scanner { return &scanner{in: in, max: MaxColumns} }

// scan goes to the next row. It returns io.EOF after the last, a *FileError, or
// what reading returned.
func (s *scanner) scan() error {
	s.text, s.ends, s.n = s.text[:0], s.ends[:0], 0
	line, err := s.line()
	if err != nil {
		return err
	}
	s.row++
	for {
		if len(line) == 0 || line[0] != '"' {
			i := bytes.IndexByte(line, ',')
			if i < 0 {
				s.text = append(s.text, trimBreak(line)...)
				s.end()
				return s.fits()
			}
			s.text = append(s.text, line[:i]...)
			s.end()
			line = line[i+1:]
			continue
		}
		if line, err = s.quoted(line[1:]); err != nil {
			return err
		}
		s.end()
		if len(trimBreak(line)) == 0 {
			return s.fits()
		}
		line = line[1:] // the comma
	}
}

// quoted reads the rest of a cell in quotes, over as many lines as it takes,
// and gives what follows the closing quote: a comma and more, or a line's end.
func (s *scanner) quoted(line []byte) ([]byte, error) {
	for {
		i := bytes.IndexByte(line, '"')
		if i < 0 {
			s.text = append(s.text, line...)
			if err := s.fits(); err != nil {
				return nil, err
			}
			var err error
			if line, err = s.line(); errors.Is(err, io.EOF) {
				return nil, broken(s.row, "", "a quote is opened and never closed")
			} else if err != nil {
				return nil, err
			}
			continue
		}
		s.text = append(s.text, line[:i]...)
		line = line[i+1:]
		switch {
		case len(trimBreak(line)) == 0, line[0] == ',':
			return line, nil
		case line[0] == '"':
			s.text = append(s.text, '"')
			line = line[1:]
		default:
			return nil, broken(s.row, "", "after a closing quote stands %q, not a comma; a quote inside a cell in quotes is doubled",
				clip(string(trimBreak(line))))
		}
	}
}

// end ends a cell.
func (s *scanner) end() {
	if s.n++; s.n <= s.max {
		s.ends = append(s.ends, len(s.text))
	}
}

func (s *scanner) fits() error {
	if len(s.text) > MaxRow {
		return s.tooLong()
	}
	return nil
}

func (s *scanner) tooLong() error {
	return broken(max(s.row, 1), "", "the row is longer than %d MiB; is a quote not closed?", MaxRow>>20)
}

// line reads a line with its end. It is valid until the next call.
func (s *scanner) line() ([]byte, error) {
	line, err := s.in.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		s.long = append(s.long[:0], line...)
		for errors.Is(err, bufio.ErrBufferFull) {
			if len(s.long) > MaxRow {
				return nil, s.tooLong()
			}
			line, err = s.in.ReadSlice('\n')
			s.long = append(s.long, line...)
		}
		line = s.long
	}
	if errors.Is(err, io.EOF) && len(line) > 0 {
		return line, nil
	}
	return line, err
}

// cell gives a cell of the current row, valid until the next scan. It is empty
// where there is none.
func (s *scanner) cell(i int) []byte {
	switch {
	case i < 0 || i >= len(s.ends):
		return nil
	case i == 0:
		return s.text[:s.ends[0]]
	}
	return s.text[s.ends[i-1]:s.ends[i]]
}

// blank reports whether no cell of the row holds anything.
func (s *scanner) blank() bool { return len(s.text) == 0 }

// trimBreak takes the end off a line.
func trimBreak(line []byte) []byte {
	line = bytes.TrimSuffix(line, []byte{'\n'})
	return bytes.TrimSuffix(line, []byte{'\r'})
}

// countRows counts the rows under the header that are not blank.
func countRows(in *bufio.Reader) (int, error) {
	s := newScanner(in)
	s.max = 0
	rows := -1 // the header
	for {
		switch err := s.scan(); {
		case errors.Is(err, io.EOF):
			return max(rows, 0), nil
		case err != nil:
			return 0, err
		case !s.blank():
			rows++
		}
	}
}
