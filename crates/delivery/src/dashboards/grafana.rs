//! A dashboard as Grafana stores it.

use anyhow::ensure;
use serde_json::{Value, json};

use super::model::{Dashboard, Kind, Limits, Panel, Variable};

/// Version of Grafana's own format.
const SCHEMA_VERSION: u32 = 42;
/// Columns of a line.
const COLUMNS: u32 = 24;

/// The JSON that Grafana imports.
pub fn render(dashboard: &Dashboard) -> anyhow::Result<Value> {
    let Dashboard {
        uid,
        title,
        description,
        variables,
        rows,
    } = dashboard;
    let (mut panels, mut y) = (Vec::new(), 0);
    for row in rows {
        panels.push(json!({
            "id": panels.len() + 1, "type": "row", "title": row.title, "collapsed": false, "panels": [],
            "gridPos": {"x": 0, "y": y, "w": COLUMNS, "h": 1},
        }));
        y += 1;
        let (mut x, mut height) = (0, 0);
        for one in &row.panels {
            let within = format!("{title}: {}: {}", row.title, one.title);
            if x == 0 {
                height = one.height();
            }
            ensure!(height == one.height(), "{within}: higher than its line");
            ensure!(x + one.width <= COLUMNS, "{within}: wider than its line");
            let place = json!({"x": x, "y": y, "w": one.width, "h": height});
            panels.push(panel(panels.len() + 1, one, &place));
            x += one.width;
            if x == COLUMNS {
                (x, y) = (0, y + height);
            }
        }
        ensure!(x == 0, "{title}: {}: a line is not full", row.title);
    }
    let mut list = vec![json!({
        "name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus",
        "current": {}, "hide": 0, "includeAll": false, "multi": false, "refresh": 1, "regex": "",
    })];
    list.extend(variables.iter().map(variable));
    Ok(json!({
        "uid": uid, "title": title, "description": description, "tags": ["agentcore"],
        "schemaVersion": SCHEMA_VERSION, "version": 1, "editable": true, "graphTooltip": 1,
        "time": {"from": "now-6h", "to": "now"}, "timezone": "browser", "refresh": "1m",
        "annotations": {"list": []},
        "links": [{
            "title": "AgentCore", "type": "dashboards", "tags": ["agentcore"], "asDropdown": false,
            "includeVars": true, "keepTime": true, "targetBlank": false, "icon": "external link", "tooltip": "", "url": "",
        }],
        "templating": {"list": list},
        "panels": panels,
    }))
}

fn source() -> Value {
    json!({"type": "prometheus", "uid": "${datasource}"})
}

fn variable(variable: &Variable) -> Value {
    let (series, label) = variable.values;
    let query = format!("label_values({series}, {label})");
    json!({
        "name": variable.name, "label": variable.label, "type": "query", "datasource": source(),
        "definition": query, "query": {"query": query, "refId": variable.name, "qryType": 1},
        "current": {"text": ["All"], "value": ["$__all"]}, "allValue": variable.all,
        "hide": 0, "includeAll": true, "multi": true, "refresh": 2, "regex": "", "sort": 1,
    })
}

fn panel(id: usize, panel: &Panel, place: &Value) -> Value {
    let kind = match panel.kind {
        Kind::Stat => "stat",
        Kind::Lines => "timeseries",
        Kind::Table => "table",
    };
    json!({
        "id": id, "type": kind, "title": panel.title, "description": panel.description,
        "gridPos": place, "datasource": source(), "targets": targets(panel),
        "fieldConfig": {"defaults": defaults(panel), "overrides": []},
        "options": options(panel), "transformations": transformations(panel),
    })
}

fn targets(panel: &Panel) -> Vec<Value> {
    let instant = panel.kind != Kind::Lines;
    let letters = 'A'..='Z';
    let numbered = letters.zip(&panel.queries);
    numbered
        .map(|(letter, (expression, legend))| {
            json!({
                "refId": letter.to_string(), "datasource": source(), "expr": expression, "legendFormat": legend,
                "instant": instant, "range": !instant, "editorMode": "code",
                "format": if panel.kind == Kind::Table { "table" } else { "time_series" },
            })
        })
        .collect()
}

fn defaults(panel: &Panel) -> Value {
    let steps = match panel.limits {
        Limits::None => json!([{"color": "text", "value": null}]),
        Limits::Below(yellow, red) => json!([
            {"color": "green", "value": null},
            {"color": "yellow", "value": yellow},
            {"color": "red", "value": red},
        ]),
        Limits::AtLeast(least) => json!([
            {"color": "red", "value": null},
            {"color": "green", "value": least},
        ]),
    };
    let mut defaults = json!({
        "unit": panel.unit,
        "color": {"mode": if panel.kind == Kind::Lines { "palette-classic" } else { "thresholds" }},
        "thresholds": {"mode": "absolute", "steps": steps},
    });
    if panel.kind == Kind::Lines {
        defaults["min"] = json!(0);
        let drawn = limited(panel);
        defaults["custom"] = json!({
            "drawStyle": "line", "lineWidth": 1, "fillOpacity": if panel.stacked { 30 } else { 10 }, "showPoints": "never",
            "stacking": {"mode": if panel.stacked { "normal" } else { "none" }, "group": "A"},
            "thresholdsStyle": {"mode": if drawn { "dashed" } else { "off" }},
        });
    }
    if panel.kind == Kind::Stat {
        // A count of nothing is no series.
        defaults["noValue"] = json!("0");
    }
    if panel.kind == Kind::Table {
        defaults["noValue"] = json!("none");
    }
    defaults
}

fn limited(panel: &Panel) -> bool {
    !matches!(panel.limits, Limits::None)
}

fn options(panel: &Panel) -> Value {
    match panel.kind {
        Kind::Stat => json!({
            "colorMode": if limited(panel) { "background" } else { "value" }, "graphMode": "none", "justifyMode": "auto", "textMode": "value", "orientation": "auto",
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": false},
        }),
        Kind::Lines => json!({
            "legend": {"displayMode": "table", "placement": "bottom", "showLegend": true, "calcs": ["lastNotNull", "max"]},
            "tooltip": {"mode": "multi", "sort": "desc"},
        }),
        Kind::Table => json!({"showHeader": true, "cellHeight": "sm"}),
    }
}

/// A table shows labels and figures, one row for each object.
fn transformations(panel: &Panel) -> Value {
    if panel.kind != Kind::Table {
        return json!([]);
    }
    let (mut names, mut hidden) = (serde_json::Map::new(), json!({"Time": true}));
    for (letter, (_, legend)) in ('A'..='Z').zip(&panel.queries) {
        let value = if panel.queries.len() == 1 {
            "Value".to_owned()
        } else {
            format!("Value #{letter}")
        };
        // A figure without a name says nothing that the row itself does not.
        if legend.is_empty() {
            hidden[value] = json!(true);
        } else {
            names.insert(value, json!(legend));
        }
    }
    json!([
        {"id": "merge", "options": {}},
        {"id": "organize", "options": {"excludeByName": hidden, "renameByName": names}},
    ])
}
