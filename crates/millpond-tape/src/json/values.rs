//! Values that mean nothing to the reader, or are kept whole.

use super::scan::{Kind, List, Scan, Scanned};
use serde_json::{Map, Value};

impl Scan {
    /// Passes over a value.
    pub fn skip(&mut self) -> Scanned<()> {
        self.skip_within(0)
    }

    fn skip_within(&mut self, depth: usize) -> Scanned<()> {
        match self.kind()? {
            Kind::String => self.pieces(|_, _| Ok(())),
            Kind::Number => self.number().map(drop),
            Kind::Bool => self.bool().map(drop),
            Kind::Null => self.null(),
            Kind::Array => {
                self.deeper(depth)?;
                let mut list = List::default();
                while self.more(&mut list, b']')? {
                    self.skip_within(depth + 1)?;
                }
                Ok(())
            }
            Kind::Object => {
                self.deeper(depth)?;
                let mut list = List::default();
                while self.more(&mut list, b'}')? {
                    self.pieces(|_, _| Ok(()))?;
                    self.expect(b':')?;
                    self.skip_within(depth + 1)?;
                }
                Ok(())
            }
        }
    }

    /// A value, whole.
    pub fn value(&mut self) -> Scanned<Value> {
        self.value_within(0)
    }

    fn value_within(&mut self, depth: usize) -> Scanned<Value> {
        Ok(match self.kind()? {
            Kind::String => Value::String(self.string()?),
            Kind::Number => self.number()?.map_or(Value::Null, Value::Number),
            Kind::Bool => Value::Bool(self.bool()?),
            Kind::Null => {
                self.null()?;
                Value::Null
            }
            Kind::Array => {
                self.deeper(depth)?;
                let (mut list, mut all) = (List::default(), Vec::new());
                while self.element(&mut list)? {
                    all.push(self.value_within(depth + 1)?);
                }
                Value::Array(all)
            }
            Kind::Object => {
                self.deeper(depth)?;
                let (mut list, mut all) = (List::default(), Map::new());
                while let Some(name) = self.member(&mut list)? {
                    let value = self.value_within(depth + 1)?;
                    all.insert(name, value);
                }
                Value::Object(all)
            }
        })
    }
}
