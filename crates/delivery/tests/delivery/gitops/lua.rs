//! Lua as Argo CD runs it: base and table libraries, and `require("os")` with nothing but the time.

use mlua::{Lua, LuaOptions, StdLib, Table, Value as LuaValue};
use serde_json::{Map, Number, Value};

/// What a health script says.
#[derive(Debug, PartialEq)]
pub struct Health {
    pub status: String,
    pub message: String,
}

/// An interpreter with the object.
fn sandbox(object: &Value) -> mlua::Result<Lua> {
    let lua = Lua::new_with(StdLib::TABLE | StdLib::OS, LuaOptions::default())?;
    let globals = lua.globals();
    let (all, safe) = (globals.get::<Table>("os")?, lua.create_table()?);
    for name in ["time", "date"] {
        safe.set(name, all.get::<LuaValue>(name)?)?;
    }
    for name in ["os", "dofile", "loadfile", "string"] {
        globals.set(name, LuaValue::Nil)?;
    }
    let require = lua.create_function(move |_, name: String| {
        if name == "os" {
            Ok(safe.clone())
        } else {
            Err(mlua::Error::runtime(format!("module {name} not found")))
        }
    })?;
    globals.set("require", require)?;
    globals.set("obj", to_lua(&lua, object)?)?;
    Ok(lua)
}

/// Runs a script on an object; its answer.
pub fn run(script: &str, object: &Value) -> mlua::Result<Value> {
    let lua = sandbox(object)?;
    to_json(&lua.load(script).eval()?)
}

/// Runs a health script.
pub fn health(script: &str, object: &Value) -> mlua::Result<Health> {
    let said = run(script, object)?;
    let text = |name: &str| said[name].as_str().unwrap_or_default().to_owned();
    Ok(Health {
        status: text("status"),
        message: text("message"),
    })
}

fn to_lua(lua: &Lua, value: &Value) -> mlua::Result<LuaValue> {
    Ok(match value {
        Value::Null => LuaValue::Nil,
        Value::Bool(value) => LuaValue::Boolean(*value),
        Value::Number(value) => LuaValue::Number(value.as_f64().unwrap()),
        Value::String(value) => LuaValue::String(lua.create_string(value)?),
        Value::Array(values) => {
            let table = lua.create_table()?;
            for value in values {
                table.push(to_lua(lua, value)?)?;
            }
            LuaValue::Table(table)
        }
        Value::Object(values) => {
            let table = lua.create_table()?;
            for (name, value) in values {
                table.set(name.as_str(), to_lua(lua, value)?)?;
            }
            LuaValue::Table(table)
        }
    })
}

/// An empty table becomes an empty list: Lua knows no difference.
fn to_json(value: &LuaValue) -> mlua::Result<Value> {
    #[allow(clippy::cast_possible_truncation)] // objects have no fractions
    Ok(match value {
        LuaValue::Boolean(value) => Value::Bool(*value),
        LuaValue::Integer(value) => Value::Number(Number::from(*value)),
        LuaValue::Number(value) => Value::Number(Number::from(*value as i64)),
        LuaValue::String(value) => Value::String(value.to_str()?.to_owned()),
        LuaValue::Table(table) if table.raw_len() > 0 || table.is_empty() => {
            let values = table.sequence_values::<LuaValue>();
            values
                .map(|value| to_json(&value?))
                .collect::<mlua::Result<_>>()?
        }
        LuaValue::Table(table) => {
            let mut values = Map::new();
            for pair in table.pairs::<String, LuaValue>() {
                let (name, value) = pair?;
                values.insert(name, to_json(&value)?);
            }
            Value::Object(values)
        }
        other => return Err(mlua::Error::runtime(format!("{other:?} is no answer"))),
    })
}

/// The same without what Lua cannot tell apart or keep: empty lists and maps, and nulls.
pub fn without_empty(value: &Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::Array(values) => {
            let values: Vec<_> = values.iter().filter_map(without_empty).collect();
            (!values.is_empty()).then_some(Value::Array(values))
        }
        Value::Object(values) => {
            let values: Map<_, _> = values
                .iter()
                .filter_map(|(name, value)| Some((name.clone(), without_empty(value)?)))
                .collect();
            (!values.is_empty()).then_some(Value::Object(values))
        }
        value => Some(value.clone()),
    }
}

#[test]
fn the_sandbox_has_what_argo_cd_has_and_no_more() {
    let object = serde_json::json!({"spec": {"suspend": true}});
    assert_eq!(
        run("return obj.spec.suspend == true", &object).unwrap(),
        true
    );
    let year = r#"local os = require("os"); return os.date("!%Y") + 0 > 2000"#;
    assert_eq!(run(year, &object).unwrap(), true);
    for forbidden in [
        "return os.time()",
        r#"return require("os").execute("true")"#,
        r#"return require("io")"#,
        r#"return string.rep("a", 2)"#,
        "return math.floor(1)",
    ] {
        assert!(run(forbidden, &object).is_err(), "{forbidden}");
    }
}
