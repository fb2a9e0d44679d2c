//! Tables as kubectl prints them: columns as wide as needed, three blanks between them.

use unicode_width::UnicodeWidthStr as _;

use super::style::{Paint, Tone, harmless};

/// Blanks between columns.
const GAP: usize = 3;

/// A table.
pub struct Table {
    head: Vec<String>,
    rows: Vec<Vec<(Tone, String)>>,
}

impl Table {
    /// A table with these headings.
    pub fn new(head: &[&str]) -> Self {
        Self {
            head: head.iter().map(|&name| name.to_owned()).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row. An empty cell is shown as `-`.
    pub fn row(&mut self, cells: impl IntoIterator<Item = (Tone, String)>) {
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

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The text, a line for each row and the headings.
    pub fn text(&self, paint: Paint) -> String {
        let mut widths: Vec<usize> = self.head.iter().map(|name| name.width()).collect();
        for row in &self.rows {
            for (width, (_, text)) in widths.iter_mut().zip(row) {
                *width = (*width).max(text.width());
            }
        }
        let mut out = String::new();
        let head = self.head.iter().map(|name| (Tone::Plain, name.as_str()));
        line(&mut out, &widths, head, paint);
        for row in &self.rows {
            line(
                &mut out,
                &widths,
                row.iter().map(|(tone, text)| (*tone, text.as_str())),
                paint,
            );
        }
        out
    }
}

fn line<'a>(
    out: &mut String,
    widths: &[usize],
    cells: impl Iterator<Item = (Tone, &'a str)>,
    paint: Paint,
) {
    let mut owed = 0;
    for (width, (tone, text)) in widths.iter().zip(cells) {
        out.extend(std::iter::repeat_n(' ', owed));
        out.push_str(&paint.text(tone, text));
        owed = width - text.width().min(*width) + GAP;
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_lines_end_without_blanks() {
        let mut table = Table::new(&["NAME", "X"]);
        table.row([(Tone::Good, "a".to_owned()), (Tone::Plain, String::new())]);
        table.row([
            (Tone::Bad, "größer".to_owned()),
            (Tone::Plain, "7".to_owned()),
        ]);
        assert_eq!(
            table.text(Paint::new(false)),
            "NAME     X\na        -\ngrößer   7\n"
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
            table.text(Paint::new(true)),
            "NAME     X\n\x1b[31ma [2Jb\x1b[0m   c\n"
        );
    }
}
