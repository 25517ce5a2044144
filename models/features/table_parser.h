// Rows of csv, tsv and Criteo text to keys.
//
// A row's text is a label, perhaps a weight, and fields for the plan's features. A line is
// malformed, and quoted as such, when its number of fields is not the plan's, a quote is not closed
// on the line, the label or weight cannot be understood, or a declared number is none. Empty lines
// are no rows. "\r\n" ends a line as "\n" does; a byte order mark at a file's begin is skipped.
// Where the files have headers, one that differs from the plan's columns counts as a malformed row.
#pragma once

#include <memory>

#include "models/data/row_parser.h"
#include "models/features/extractor.pb.h"
#include "models/features/further_keys.h"

namespace ps {

// `plan` has been validated and is of a table. `further` may be null.
std::unique_ptr<RowParser> MakeTableParser(const features::Plan& plan,
                                           std::unique_ptr<const FurtherKeys> further = nullptr);

}  // namespace ps
