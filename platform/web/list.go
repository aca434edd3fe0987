package web

// Page is embedded in the inputs of lists.
type Page struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"20" doc:"How many items at most."`
	Cursor string `query:"cursor" maxLength:"2048" doc:"The next_cursor of the page before; the first page without."`
}

// List is the body of an answer that lists.
type List[T any] struct {
	// Items is never null, also where it is nil here.
	Items []T `json:"items"`
	// NextCursor leads to the next page; the last one has none.
	NextCursor string `json:"next_cursor,omitempty" doc:"Leads to the next page; the last one has none."`
}
