//! What must not compile, and what the compiler says about it; and what must, so that the rules are no stricter than they have to be.

#[test]
fn compile_fail_mistakes_with_attributes_and_scopes_are_explained() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/compile_fail/*.rs");
    cases.pass("tests/compile_pass/*.rs");
}
