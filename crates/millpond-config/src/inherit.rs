//! Fills each route with what it takes from the top level, and each rule with what it takes from the policy around it.

use crate::node::{Node, Value};
use crate::shape::{self, Shape};

/// The tree with every route and every rule whole. Their own values stand above those they take over, key by key.
pub(crate) fn inherit(tree: &Node) -> Node {
    let mut whole = tree.clone();
    fill_rules(&mut whole);
    let Some(Shape::List(route)) = shape::root().at(["route"]) else { return whole };
    if let Value::Table(members) = &mut whole.value
        && let Some(entry) = members.get_mut("route")
        && let Value::List(items) = &mut entry.node.value
    {
        for item in items.iter_mut().filter(|item| matches!(item.value, Value::Table(_))) {
            *item = fill(tree, item, route);
        }
    }
    whole
}

fn fill(top: &Node, route: &Node, shape: &Shape) -> Node {
    let mut filled = Node::table(route.source.clone());
    for key in shape.keys() {
        // A route's origin and name are its own; the other keys that both levels know are taken over.
        if let Some(inherited) = top.get(&key.name).filter(|_| key.name != "origin") {
            let mut inherited = restrict(inherited, &key.shape);
            if let Some(own) = route.get(&key.name) {
                give_way(&mut inherited, own);
            }
            filled.insert(&[&key.name], inherited);
        }
    }
    filled.overlay(route.clone());
    fill_rules(&mut filled);
    filled
}

/// Fills the rules of `around`, the top level or a route, from the policy that stands beside them.
fn fill_rules(around: &mut Node) {
    let Some(policy) = around.get("policy").cloned() else { return };
    let Some(rules) = around.at_mut(["rule"]) else { return };
    let Value::List(items) = &mut rules.value else { return };
    for rule in items.iter_mut().filter(|rule| matches!(rule.value, Value::Table(_))) {
        let mut filled = Node::table(rule.source.clone());
        filled.insert(&["policy"], policy.clone());
        filled.overlay(rule.clone());
        *rule = filled;
    }
}

/// Only what the shape knows: a route has fewer limits than the top level.
fn restrict(node: &Node, shape: &Shape) -> Node {
    let mut node = node.clone();
    if let (Value::Table(members), Shape::Table(_)) = (&mut node.value, shape) {
        members.retain(|name, _| shape.key(name).is_some());
    }
    node
}

/// Takes out of the inherited values what the route's own contradict: a list of parameters to drop replaces one to keep,
/// and a field that the route removes is not set by the top level.
fn give_way(inherited: &mut Node, own: &Node) {
    let Value::Table(members) = &mut inherited.value else { return };
    for (mine, other) in [("drop", "keep"), ("keep", "drop")] {
        if own.get(mine).is_some() {
            members.remove(other);
        }
    }
    let removed: Vec<String> = own
        .get("remove")
        .map(Node::items)
        .unwrap_or_default()
        .iter()
        .filter_map(|item| item.text().map(str::to_ascii_lowercase))
        .collect();
    if let Some(set) = members.get_mut("set")
        && let Value::Table(set) = &mut set.node.value
    {
        set.retain(|name, _| !removed.contains(name));
    }
}
