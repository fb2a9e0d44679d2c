//! What a dashboard is here: rows of panels, and what each of them asks Prometheus.

/// A dashboard.
pub struct Dashboard {
    /// Name of its file, and in its address.
    pub uid: &'static str,
    /// Title.
    pub title: &'static str,
    /// What it is for.
    pub description: &'static str,
    /// Variables besides the data source.
    pub variables: Vec<Variable>,
    /// Rows, from the top.
    pub rows: Vec<Row>,
}

/// Something that the reader chooses; several at a time, or all.
pub struct Variable {
    /// Name, as queries have it after `$`.
    pub name: &'static str,
    /// Label, as the reader sees it.
    pub label: &'static str,
    /// What there is to choose from: a series, and one of its labels.
    pub values: (&'static str, &'static str),
    /// What "all" stands for: `.+`, or `.*` where an empty label counts, too.
    pub all: &'static str,
}

/// A row with a title of its own.
pub struct Row {
    /// Title.
    pub title: &'static str,
    /// Panels, from the left; those of one line fill it and have one height.
    pub panels: Vec<Panel>,
}

/// How a panel shows its figures.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One figure of now.
    Stat,
    /// Lines over time.
    Lines,
    /// A table of what there is now: a row for each series.
    Table,
}

/// Which figures are good.
#[derive(Clone, Copy)]
pub enum Limits {
    /// Nobody knows.
    None,
    /// Those below the first; from it on it is yellow, from the second on red.
    Below(f64, f64),
    /// Those from this on; below it is red.
    AtLeast(f64),
}

/// A panel.
pub struct Panel {
    /// Title.
    pub title: &'static str,
    /// What it shows, and what a bad figure means.
    pub description: &'static str,
    /// How.
    pub kind: Kind,
    /// Of 24 columns.
    pub width: u32,
    /// Height; 0: that of its kind.
    pub height: u32,
    /// Unit, as Grafana names it.
    pub unit: &'static str,
    /// Which figures are good.
    pub limits: Limits,
    /// What it asks, and the legend of the answer; in a table the column's name, none for no column.
    pub queries: Vec<(String, &'static str)>,
    /// Whether lines stand on each other.
    pub stacked: bool,
}

impl Panel {
    /// A panel of a kind.
    pub fn new(kind: Kind, title: &'static str, description: &'static str) -> Self {
        let width = match kind {
            Kind::Stat => 4,
            Kind::Lines | Kind::Table => 12,
        };
        Self {
            title,
            description,
            kind,
            width,
            height: 0,
            unit: "short",
            limits: Limits::None,
            queries: Vec::new(),
            stacked: false,
        }
    }

    /// Asks for this.
    pub fn query(mut self, expression: impl Into<String>, legend: &'static str) -> Self {
        self.queries.push((expression.into(), legend));
        self
    }

    /// In this unit.
    pub fn unit(self, unit: &'static str) -> Self {
        Self { unit, ..self }
    }

    /// This wide.
    pub fn width(self, width: u32) -> Self {
        Self { width, ..self }
    }

    /// Yellow and red from these figures on.
    pub fn warns(self, yellow: f64, red: f64) -> Self {
        Self {
            limits: Limits::Below(yellow, red),
            ..self
        }
    }

    /// Red below this figure.
    pub fn wants(self, least: f64) -> Self {
        Self {
            limits: Limits::AtLeast(least),
            ..self
        }
    }

    /// With lines on each other.
    pub fn stacked(self) -> Self {
        Self {
            stacked: true,
            ..self
        }
    }

    /// Its height.
    pub fn height(&self) -> u32 {
        match (self.height, self.kind) {
            (0, Kind::Stat) => 4,
            (0, Kind::Lines | Kind::Table) => 8,
            (height, _) => height,
        }
    }
}

/// A figure of now.
pub fn stat(title: &'static str, description: &'static str) -> Panel {
    Panel::new(Kind::Stat, title, description)
}

/// Lines over time.
pub fn lines(title: &'static str, description: &'static str) -> Panel {
    Panel::new(Kind::Lines, title, description)
}

/// A table of what there is now.
pub fn table(title: &'static str, description: &'static str) -> Panel {
    Panel::new(Kind::Table, title, description)
}

/// A quantile of a histogram over the reader's interval, by these labels.
pub fn quantile(quantile: &str, by: &str, histogram: &str) -> String {
    let (name, labels) = histogram
        .split_once('{')
        .map_or((histogram, ""), |(name, labels)| {
            (name, labels.trim_end_matches('}'))
        });
    let by = if by.is_empty() {
        "le".to_owned()
    } else {
        format!("le, {by}")
    };
    format!(
        "histogram_quantile({quantile}, sum by ({by}) (rate({name}_bucket{{{labels}}}[$__rate_interval])))"
    )
}

/// A rate over the reader's interval, summed by these labels.
pub fn rate(by: &str, counter: &str) -> String {
    format!("sum by ({by}) (rate({counter}[$__rate_interval]))")
}
