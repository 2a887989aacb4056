//! Whether what a PDF's pages draw comes to an end. A form may draw forms, itself among them; the library that reads
//! the text follows them without counting, until the stack overflows and takes the pictures to come with it.

use std::collections::HashMap;

use memchr::memmem;
use pdf_extract::{Dictionary, Document, Object, ObjectId, Stream, content::Content};

/// Forms within forms, and steps from a page up to the root of the tree. Real documents have a handful.
const DEPTH: usize = 32;
/// Forms that are followed in one document: few forms that draw each other twice are many.
const VISITS: usize = 10_000;

/// Whether all pages of the document end within bounds.
pub fn is_bounded(document: &Document) -> bool {
    let mut walk = Walk { document, drawn: HashMap::new(), visits_left: VISITS };
    document.page_iter().all(|page| walk.page(page))
}

struct Walk<'a> {
    document: &'a Document,
    /// The names of what each form draws, by the form's place in memory.
    drawn: HashMap<*const Stream, Vec<Vec<u8>>>,
    visits_left: usize,
}

impl<'a> Walk<'a> {
    fn page(&mut self, id: ObjectId) -> bool {
        let Ok(mut node) = self.document.get_dictionary(id) else { return true };
        let mut resources = None;
        // The nearest ones up the tree count (ISO 32000-2, 7.7.3.4), and the tree may lead back to where it began.
        for _ in 0..DEPTH {
            resources = resources.or_else(|| self.dictionary(node, b"Resources"));
            let parent = node.get(b"Parent").and_then(Object::as_reference);
            match parent.and_then(|id| self.document.get_dictionary(id)) {
                Ok(parent) => node = parent,
                Err(_) => return resources.is_none_or(|resources| self.all_forms(resources)),
            }
        }
        false
    }

    fn all_forms(&mut self, resources: &'a Dictionary) -> bool {
        let Some(forms) = self.dictionary(resources, b"XObject") else { return true };
        forms.iter().all(|(name, _)| self.form(name, resources, DEPTH))
    }

    /// Whether the form of this name ends, given the resources of who draws it.
    fn form(&mut self, name: &[u8], resources: &'a Dictionary, depth: usize) -> bool {
        let forms = self.dictionary(resources, b"XObject");
        let form =
            forms.and_then(|forms| forms.get_deref(name, self.document).and_then(Object::as_stream).ok());
        let Some(form) = form else { return true };
        let names = self.drawn.entry(form).or_insert_with(|| drawn_by(form)).clone();
        if names.is_empty() {
            return true;
        }
        if depth == 0 || self.visits_left == 0 {
            return false;
        }
        self.visits_left -= 1;
        let resources = self.dictionary(&form.dict, b"Resources").unwrap_or(resources);
        names.iter().all(|name| self.form(name, resources, depth - 1))
    }

    fn dictionary(&self, of: &'a Dictionary, key: &[u8]) -> Option<&'a Dictionary> {
        of.get_deref(key, self.document).and_then(Object::as_dict).ok()
    }
}

/// The names that a stream of content draws.
fn drawn_by(form: &Stream) -> Vec<Vec<u8>> {
    let content = form.get_plain_content().unwrap_or_else(|_| form.content.clone());
    if memmem::find(&content, b"Do").is_none() {
        return Vec::new();
    }
    let Ok(content) = Content::decode(&content) else { return Vec::new() };
    let draws = content.operations.iter().filter(|operation| operation.operator == "Do");
    draws.filter_map(|draw| Some(draw.operands.first()?.as_name().ok()?.to_vec())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A page that draws `/A`, with these objects behind it: `(what stands in the dictionary, content)`.
    fn document(forms: &[(&str, &str)]) -> Document {
        let mut text = "%PDF-1.4\n1 0 obj\n<</Type/Catalog/Pages 2 0 R>>\nendobj\n\
            2 0 obj\n<</Type/Pages/Kids[3 0 R]/Count 1/MediaBox[0 0 9 9]>>\nendobj\n\
            3 0 obj\n<</Type/Page/Parent 2 0 R/Resources<</XObject<</A 4 0 R>>>>>>\nendobj\n"
            .to_owned();
        for (number, (dictionary, content)) in (4..).zip(forms) {
            let length = content.len();
            text += &format!(
                "{number} 0 obj\n<</Type/XObject/Subtype/Form/Length {length}{dictionary}>>stream\n{content}\nendstream\nendobj\n"
            );
        }
        let ends = text.match_indices(" 0 obj").map(|(at, _)| at);
        let places: Vec<usize> = ends.map(|at| text[..at].rfind('\n').unwrap() + 1).collect();
        let table = text.len();
        text += &format!("xref\n0 {}\n0000000000 65535 f \n", places.len() + 1);
        places.iter().for_each(|place| text += &format!("{place:010} 00000 n \n"));
        text += &format!("trailer\n<</Size {}/Root 1 0 R>>\nstartxref\n{table}\n%%EOF\n", places.len() + 1);
        Document::load_mem(text.as_bytes()).unwrap()
    }

    #[test]
    fn forms_that_draw_themselves_do_not_end() {
        let a_and_b = "/Resources<</XObject<</A 4 0 R/B 5 0 R>>>>";
        let table: [(&[(&str, &str)], bool); 7] = [
            (&[("", "0 0 m")], true),
            (&[(a_and_b, "/B Do"), ("", "BT (Do) Tj ET")], true),
            (&[("", "q /A Do Q")], false),
            (&[(a_and_b, "/A Do"), ("", "")], false),
            (&[(a_and_b, "/B Do"), (a_and_b, "/A Do")], false),
            (&[(a_and_b, "/B Do"), ("", "/A Do")], false),
            (&[("", "/Nothing Do")], true),
        ];
        for (forms, ends) in table {
            let document = document(forms);
            assert_eq!(document.page_iter().count(), 1);
            assert_eq!(is_bounded(&document), ends, "{forms:?}");
        }
    }

    #[test]
    fn few_forms_that_are_many_are_too_many() {
        let forms: Vec<(String, &str)> = (5..25)
            .map(|next| (format!("/Resources<</XObject<</N {next} 0 R>>>>"), "/N Do /N Do /N Do"))
            .collect();
        let mut forms: Vec<(&str, &str)> =
            forms.iter().map(|(text, content)| (text.as_str(), *content)).collect();
        forms.push(("", "0 0 m"));
        assert!(!is_bounded(&document(&forms)));
    }
}
