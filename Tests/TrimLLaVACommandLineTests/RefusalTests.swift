// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

/// A command line that cannot work, and how it must end.
struct Refusal: CustomTestStringConvertible, Sendable {
    let name: String
    let code: Int32
    let arguments: [String]
    let message: String
    var input = ""
    var environment: [String: String] = [:]

    var testDescription: String { name }

    /// All arguments of `run`.
    init(
        _ name: String, _ code: Int32, run arguments: [String], says message: String
    ) {
        self.name = name
        self.code = code
        self.arguments = ["run"] + arguments
        self.message = message
    }

    /// A valid command line with additional arguments that make it fail.
    init(
        _ name: String, _ code: Int32, _ arguments: [String], says message: String,
        input: String = "", environment: [String: String] = [:]
    ) {
        self.name = name
        self.code = code
        self.arguments = ModelFiles.llama3.run + [picturePath("small"), "-n", "2"] + arguments
        self.message = message
        self.input = input
        self.environment = environment
    }
}

private let llama3 = ModelFiles.llama3
private let aPicture = picturePath("small")
private let notGGUF = Fixture.path("models/llava-1.5-mha/wide-pad/case.json")
private let huge = "99999999999999999999999999"

@Suite struct RefusalTests {
    static let badFiles = [
        Refusal(
            "missing model", 1,
            run: ["-m", "/absent.gguf", "--mmproj", llama3.projector, aPicture],
            says: "/absent.gguf: cannot open the file: No such file or directory"),
        Refusal(
            "folder as model", 1,
            run: ["-m", Fixture.path("models"), "--mmproj", llama3.projector, aPicture],
            says: "is a folder, expected a GGUF file"),
        Refusal(
            "JSON as mmproj", 1, run: ["-m", llama3.text, "--mmproj", notGGUF, aPicture],
            says: "case.json: not a GGUF file"),
        Refusal(
            "swapped files", 1, run: ["-m", llama3.projector, "--mmproj", llama3.text, aPicture],
            says: "the two files are exchanged"),
        Refusal(
            "text model twice", 1, run: ["-m", llama3.text, "--mmproj", llama3.text, aPicture],
            says: "is a text model, expected a vision tower"),
        Refusal(
            "another model's mmproj", 1,
            run: ["-m", llama3.text, "--mmproj", ModelFiles.vicuna.projector, aPicture],
            says: "do not belong together: the projector makes rows of 64 numbers"),
        Refusal(
            "a projector for another vocabulary", 1,
            run: ["-m", llama3.text, "--mmproj", ModelFiles("smolvlm").projector, aPicture],
            says: "do not belong together: the text model has no token <row_1_col_1>"),
        Refusal(
            "a projector for another decoder", 1,
            run: ["-m", llama3.text, "--mmproj", ModelFiles("qwen3vl").projector, aPicture],
            says: "do not belong together: the text model is a llama, the projector's is a qwen3vl"),
        Refusal(
            "a crop of a whole picture", 1,
            run: [
                "-m", ModelFiles("smolvlm").text, "--mmproj", ModelFiles("smolvlm").projector,
                "--crop", aPicture,
            ],
            says: "the model sees whole pictures; only LLaVA-1.5 and LLaVA-1.0 see their "
                + "middle squares; see --crop"),
        Refusal(
            "no template known", 1,
            run: Array(ModelFiles.vicuna.run.dropFirst()) + [aPicture], says: "--template"),
        Refusal("missing picture", 1, ["/absent.png"], says: "/absent.png: cannot be read"),
        Refusal("folder as picture", 1, [Fixture.path("models")], says: "Is a directory"),
        Refusal("JSON as picture", 1, [notGGUF], says: "expected JPEG, PNG or WebP"),
        Refusal("no picture on standard input", 1, ["-"], says: "standard input: "),
        Refusal("missing prompt file", 1, ["--prompt-file", "/absent.txt"], says: "/absent.txt: "),
        Refusal("folder as prompt file", 1, ["--prompt-file", "/"], says: "Is a directory"),
        Refusal(
            "empty prompt file", 1, ["--prompt-file", "/dev/null"], says: "the prompt is empty"),
        Refusal(
            "a prompt file of one line end", 1, ["--prompt-file", "-"],
            says: "standard input: the prompt is empty", input: "\n"),
        Refusal("folder below a file", 1, ["--dump", notGGUF + "/dump"], says: "Not a directory"),
        Refusal("file as folder", 1, ["--dump", notGGUF], says: "File exists"),
        Refusal("no place for a folder", 1, ["--dump", "/proc/dump"], says: "/proc/dump: "),
    ]

    static let badUsage = [
        Refusal("no projector", 2, run: ["-m", llama3.text, aPicture], says: "--mmproj"),
        Refusal("nothing to do", 2, run: Array(llama3.run.dropFirst()), says: "give a picture"),
        Refusal("unknown option", 2, ["--bogus"], says: "--bogus"),
        Refusal("two stdin pictures", 2, ["-", "-"], says: "standard input can be only one of"),
        Refusal(
            "stdin picture and prompt", 2, ["-", "--prompt-file", "-"],
            says: "standard input can be only one of"),
        Refusal("stdin picture in a chat", 2, ["-", "-i"], says: "standard input can be"),
        Refusal(
            "stdin prompt in a chat", 2, ["--prompt-file", "-", "-i"],
            says: "standard input can be only one of"),
        Refusal("two prompts", 2, ["-p", "a", "--prompt-file", "b"], says: "not both"),
        Refusal("empty prompt", 2, ["-p", ""], says: "--prompt is empty"),
        Refusal("raw without prompt", 2, ["--raw"], says: "--raw needs --prompt"),
        Refusal(
            "raw template", 2, ["--raw", "-p", "a", "--template", "phi-3"], says: "--raw cannot"),
        Refusal("JSON chat", 2, ["-i", "--json"], says: "--interactive cannot be combined with"),
        Refusal("unknown template", 2, ["--template", "bogus"], says: "- vicuna"),
        Refusal("unknown cache format", 2, ["--kv-cache", "q8"], says: "'f16', 'f32' or 'q8_0'"),
        Refusal("unknown activations", 2, ["--activations", "int9"], says: "'float'"),
    ]

    static let badNumbers =
        [
            ("--threads", "0"), ("--threads", "129"), ("--threads", "9223372036854775807"),
            ("--threads", huge), ("--context", "0"), ("--context", "-1"), ("--context", huge),
            ("--max-tokens", "0"), ("-n", "-4"), ("-n", huge), ("-n", "1.5"),
            ("--temperature", "-1"), ("--temperature", "nan"), ("--temperature", "inf"),
            ("--temperature", "1e39"), ("--top-k", "-1"), ("--top-k", huge), ("--top-p", "0"),
            ("--top-p", "1.1"), ("--top-p", "nan"), ("--min-p", "-0.1"), ("--min-p", "2"),
            ("--repetition-penalty", "0"), ("--repetition-penalty", "-1"),
            ("--repetition-penalty", "nan"), ("--repetition-window", "-1"),
            ("--repetition-window", huge), ("--seed", "-1"), ("--seed", huge), ("--seed", ""),
        ].map { option, value in
            Refusal("\(option) \(value)", 2, [option, value], says: "Usage: trimllava run")
        } + [
            Refusal(
                "--context 9223372036854775807", 1, ["--context", "9223372036854775807"],
                says: "the context has 9223372036854775807 rows, expected 1 to ")
        ]

    static let badPrompts = [
        Refusal(
            "too many markers", 1, ["-p", "<image><image>"], says: "places 2 picture(s)"),
        Refusal(
            "too few markers", 1, [aPicture, "-p", "<image>?"], says: "but 2 were given"),
        Refusal(
            "no room", 1, ["--context", "40"],
            says: "fewer visual tokens make room; see --context and --keep"),
        Refusal(
            "no such kernels", 1, [], says: "TRIMLLAVA_KERNELS",
            environment: ["TRIMLLAVA_KERNELS": "nonsense"]),
    ]

    @Test(arguments: badFiles + badUsage + badNumbers + badPrompts)
    func endsInOneClearMessage(refusal: Refusal) throws {
        let outcome = try ToolProcess.run(
            refusal.arguments, input: Array(refusal.input.utf8), environment: refusal.environment)
        #expect(outcome.code == refusal.code, "\(outcome.errors)")
        #expect(outcome.output.isEmpty)
        #expect(outcome.errors.hasPrefix("trimllava: "))
        #expect(outcome.errors.contains(refusal.message), "\(outcome.errors)")
        let lines = outcome.errors.split(separator: "\n")
        #expect(refusal.code == 2 || lines.count == 1, "\(outcome.errors)")
        #expect(!outcome.errors.contains("Domain"))
    }

    @Test func damagedModelFiles() throws {
        let folder = try TemporaryFolder()
        let whole = try [UInt8](Data(contentsOf: URL(fileURLWithPath: llama3.text)))
        for length in [0, 3, 24, 5000, whole.count - 1] {
            let path = try folder.write(Array(whole.prefix(length)), to: "cut.gguf")
            let outcome = try ToolProcess.run(
                ["run", "-m", path, "--mmproj", llama3.projector, aPicture])
            #expect(outcome.code == 1, "\(length) bytes: \(outcome.errors)")
            #expect(outcome.errors.hasPrefix("trimllava: \(path): "))
        }
    }

    @Test(arguments: ["--prompt", "--system", "--stop", "--dump"])
    func argumentsThatAreNotText(option: String) throws {
        let outcome = try ToolProcess.shell(
            #""$@" "$(printf 'a\377b')""#, llama3.run + [aPicture, option])
        #expect(outcome.code == 1)
        #expect(outcome.errors.contains("is not valid UTF-8 at byte 1"), "\(outcome.errors)")
    }

    @Test func promptFilesThatAreNotText() throws {
        let outcome = try ToolProcess.run(
            llama3.run + [aPicture, "--prompt-file", "-"], input: [0x61, 0xC3, 0x28])
        #expect(outcome.code == 1)
        #expect(outcome.errors == "trimllava: standard input is not valid UTF-8 at byte 1\n")
    }

    @Test func hugeNumbersThatMeanNoLimit() throws {
        let most = "9223372036854775807"
        let outcome = try ToolProcess.run(
            llama3.run + [
                aPicture, "-n", most, "--top-k", most, "--repetition-window", most,
                "--repetition-penalty", "1.1", "--temperature", "0.7",
                "--seed", "18446744073709551615", "--context", "80", "--threads", "128",
                "--ignore-eos", "--json",
            ])
        #expect(outcome.code == 0, "\(outcome.errors)")
        #expect(try RunJSON(outcome).stopReason == "context")
    }
}
