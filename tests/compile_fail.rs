//! What must not compile, and what the compiler says about it.

#[test]
fn compile_fail_mistakes_with_the_attributes_are_explained() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/compile_fail/*.rs");
}
