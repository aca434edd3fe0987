package format

import "strings"

// A list in one cell, such as the tags, is its items joined by ", ". An item
// that holds a comma, begins with a quote or begins or ends with a space is
// put in quotes, and quotes in it are doubled, as in a row of CSV:
//
//	mens, "cotton, pre-shrunk", 12" wide

// splitList reads a list. Spaces around items do not count, and empty items are
// left out. What begins with a quote but is no quoted item stands as it is.
func splitList(cell string) []string {
	var items []string
	for len(cell) > 0 {
		var item string
		if item, cell = nextItem(cell); item != "" {
			items = append(items, item)
		}
	}
	return items
}

// nextItem cuts the first item off a list.
func nextItem(cell string) (item, rest string) {
	if item, rest, ok := quotedItem(strings.TrimLeft(cell, listSpace)); ok {
		return item, rest
	}
	item, rest, _ = strings.Cut(cell, ",")
	return strings.Trim(item, listSpace), rest
}

// quotedItem reads an item in quotes with the comma after it.
func quotedItem(cell string) (item, rest string, ok bool) {
	if !strings.HasPrefix(cell, `"`) {
		return "", "", false
	}
	for i := 1; i < len(cell); i++ {
		if cell[i] != '"' {
			continue
		}
		if i+1 < len(cell) && cell[i+1] == '"' {
			i++
			continue
		}
		after := strings.TrimLeft(cell[i+1:], listSpace)
		if after != "" && after[0] != ',' {
			return "", "", false
		}
		return strings.ReplaceAll(cell[1:i], `""`, `"`), strings.TrimPrefix(after, ","), true
	}
	return "", "", false
}

// joinList writes a list that splitList reads back.
func joinList(items []string) string {
	var b strings.Builder
	for i, item := range items {
		if i > 0 {
			b.WriteString(", ")
		}
		if strings.Contains(item, ",") || strings.HasPrefix(item, `"`) || strings.Trim(item, listSpace) != item {
			b.WriteString(`"` + strings.ReplaceAll(item, `"`, `""`) + `"`)
		} else {
			b.WriteString(item)
		}
	}
	return b.String()
}

// listSpace are the spaces that may stand around an item.
const listSpace = " \t\r\n"
