// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@testable import TrimLLaVACommandLine

@Suite struct TypedPathsTests {
    @Test(arguments: [
        ("a b.jpg", ["a b.jpg"]), ("\"a b.jpg\"", ["a b.jpg"]), ("'a b.jpg'", ["a b.jpg"]),
        (#"a\ b.jpg"#, ["a b.jpg"]), (#"'it'\''s' "b\"\\\c""#, ["it's", #"b"\\c"#]),
        ("'a' 'b c'", ["a", "b c"]), ("it's.jpg", ["it's.jpg"]), ("a'b c'd", ["ab cd"]),
        ("file:///a%20b.jpg", ["/a b.jpg"]), ("file:///a file:///b", ["/a", "/b"]),
        ("''", [""]), ("~/a", [NSHomeDirectory() + "/a"]),
        (#"~/a\ b"#, [NSHomeDirectory() + "/a b"]),
        (#"a\"#, ["a"]),
    ])
    func wordsAreThoseOfAShell(text: String, paths: [String]) {
        #expect(TypedPaths.paths(in: text) { _ in false } == paths)
    }

    @Test(arguments: [#"a\ b.jpg"#, "'a'", "it's \"x", "file://a"])
    func aFileOfThatNameComesFirst(text: String) {
        #expect(TypedPaths.paths(in: text) { $0 == text } == [text])
    }
}
