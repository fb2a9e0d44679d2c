//! Tables as kubectl prints them: columns as wide as needed, three blanks between them.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::style::{Paint, Tone, harmless};

/// Blanks between columns.
const GAP: usize = 3;
/// Columns that the last cell keeps even on a narrow terminal.
const LEAST: usize = 12;

/// A table.
pub struct Table {
    head: Vec<String>,
    rows: Vec<Vec<(Tone, String)>>,
    loose: bool,
}

impl Table {
    /// A table with these headings.
    pub fn new(head: &[&str]) -> Self {
        Self {
            head: head.iter().map(|&name| name.to_owned()).collect(),
            rows: Vec::new(),
            loose: false,
        }
    }

    /// Adds a row. An empty cell is shown as `-`, but for an empty last one.
    pub fn row(&mut self, cells: impl IntoIterator<Item = (Tone, String)>) {
        let mut cells: Vec<_> = cells.into_iter().collect();
        if cells.last().is_some_and(|(_, text)| text.is_empty()) {
            cells.pop();
        }
        let cell = |(tone, text): (Tone, String)| {
            let text = harmless(&text);
            (
                tone,
                if text.is_empty() {
                    "-".to_owned()
                } else {
                    text
                },
            )
        };
        self.rows.push(cells.into_iter().map(cell).collect());
    }

    /// Adds a line of words that stand in no column.
    pub fn free(&mut self, words: &[(Tone, &str)]) {
        self.loose = true;
        let word = |(tone, text): &(Tone, &str)| (*tone, harmless(text));
        self.rows.push(words.iter().map(word).collect());
    }

    /// The text, a line for each row and the headings. Lines longer than `most` columns lose the end of their last cell.
    pub fn text(&self, paint: Paint, most: Option<usize>) -> String {
        let mut widths: Vec<usize> = self.head.iter().map(|name| name.width()).collect();
        for row in self.rows.iter().filter(|_| !self.loose) {
            for (width, (_, text)) in widths.iter_mut().zip(row) {
                *width = (*width).max(text.width());
            }
        }
        let mut out = String::new();
        let head = self
            .head
            .iter()
            .map(|name| (Tone::Plain, name.clone()))
            .collect::<Vec<_>>();
        let lines = (!head.is_empty())
            .then_some(&head)
            .into_iter()
            .chain(&self.rows);
        for cells in lines {
            self.line(&mut out, &widths, cells, paint, most);
        }
        out
    }

    fn line(
        &self,
        out: &mut String,
        widths: &[usize],
        cells: &[(Tone, String)],
        paint: Paint,
        most: Option<usize>,
    ) {
        let (mut owed, mut used) = (0, 0);
        for (at, (tone, text)) in cells.iter().enumerate() {
            out.extend(std::iter::repeat_n(' ', owed));
            used += owed;
            let last = at + 1 == cells.len();
            let room = most
                .filter(|_| last)
                .map(|most| most.saturating_sub(used).max(LEAST));
            let shown = room.map_or_else(|| text.clone(), |room| cut(text, room));
            out.push_str(&paint.text(*tone, &shown));
            let width = shown.width();
            used += width;
            owed = if self.loose {
                1
            } else {
                widths
                    .get(at)
                    .map_or(0, |column| column.saturating_sub(width))
                    + GAP
            };
        }
        out.push('\n');
    }
}

/// At most so many columns of a text.
fn cut(text: &str, room: usize) -> String {
    if text.width() <= room {
        return text.to_owned();
    }
    let sign = super::Symbols::of_locale().cut;
    let mut left = room.saturating_sub(sign.width());
    let kept: String = text
        .chars()
        .take_while(|c| {
            let width = c.width().unwrap_or(0);
            let fits = width <= left;
            left = left.saturating_sub(width);
            fits
        })
        .collect();
    kept + sign
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_lines_end_without_blanks() {
        let mut table = Table::new(&["NAME", "X", "Y"]);
        table.row([
            (Tone::Good, "a".to_owned()),
            (Tone::Plain, String::new()),
            (Tone::Plain, String::new()),
        ]);
        table.row([
            (Tone::Bad, "größer".to_owned()),
            (Tone::Plain, "7".to_owned()),
            (Tone::Plain, "8".to_owned()),
        ]);
        assert_eq!(
            table.text(Paint::new(false), None),
            "NAME     X   Y\na        -\ngrößer   7   8\n"
        );
    }

    #[test]
    fn colours_do_not_move_columns_and_text_from_elsewhere_sends_no_codes() {
        let mut table = Table::new(&["NAME", "X"]);
        table.row([
            (Tone::Bad, "a\x1b[2Jb".to_owned()),
            (Tone::Plain, "c".to_owned()),
        ]);
        assert_eq!(
            table.text(Paint::new(true), None),
            "NAME     X\n\x1b[31ma [2Jb\x1b[0m   c\n"
        );
    }

    #[test]
    fn a_line_that_is_too_long_is_cut_at_its_end() {
        let mut table = Table::new(&["NAME", "INFO"]);
        table.row([
            (Tone::Plain, "a".to_owned()),
            (Tone::Plain, "12345678901234567890".to_owned()),
        ]);
        for line in table.text(Paint::new(false), Some(22)).lines() {
            assert!(line.width() <= 22, "{line}");
        }
    }
}
