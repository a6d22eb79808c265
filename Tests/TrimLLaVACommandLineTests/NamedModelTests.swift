// SPDX-License-Identifier: Apache-2.0
import FileOutput
import Foundation
import HubTestSupport
import Synchronization
import TestSupport
import Testing

/// A stand-in for the Hub with the demonstration model, and a cache that is empty at first.
private final class DemoHub: Sendable {
    static let text = "scenes-q8_0.gguf"
    static let tower = "scenes-mmproj-f16.gguf"
    static let name = "hf:\(HubStandIn.repository)"

    let hub: HubStandIn
    let folder: TemporaryFolder

    private init() async throws {
        let resources = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../../Sources/Product/DemoModel/Resources").standardized
        func bytes(_ name: String) throws -> [UInt8] {
            [UInt8](try Data(contentsOf: resources.appendingPathComponent(name)))
        }
        hub = try await HubStandIn([
            Self.text: bytes(Self.text), Self.tower: bytes(Self.tower), "README.md": [35],
        ])
        folder = try TemporaryFolder()
    }

    static func run(_ body: (DemoHub) async throws -> Void) async throws {
        let demo = try await DemoHub()
        do { try await body(demo) } catch {
            await demo.hub.stop()
            throw error
        }
        await demo.hub.stop()
    }

    var environment: [String: String] {
        [
            "HF_ENDPOINT": hub.endpoint, "HF_HUB_CACHE": "\(folder.path)/hub", "HOME": folder.path,
            "HF_TOKEN": "", "HF_HUB_OFFLINE": "", "OLLAMA_MODELS": "\(folder.path)/ollama",
            "no_proxy": "127.0.0.1",
        ]
    }

    func tool(_ arguments: [String], _ more: [String: String] = [:]) throws -> Outcome {
        try ToolProcess.run(
            arguments, environment: environment.merging(more) { $1 }, timeout: 120)
    }

    func blob(_ name: String) -> String {
        let hash = HubStandIn.hash(of: hub.files[name] ?? [])
        return "\(folder.path)/hub/models--acme--tiny-llava-gguf/blobs/\(hash)"
    }

    func checkFiles() throws {
        for name in [Self.text, Self.tower] {
            let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: blob(name))))
            #expect(bytes == hub.files[name])
            #expect(!FileManager.default.fileExists(atPath: blob(name) + ".incomplete"))
        }
    }
}

@Suite struct NamedModelTests {
    #if os(Linux)
        @Test func aDownloadThatCannotBeExaminedHasTheSystemsReason() async throws {
            try await DemoHub.run { demo in
                let name = (demo.blob(DemoHub.tower) as NSString).lastPathComponent + ".incomplete"
                let outcome = try #require(
                    try Fault("stat", name, EIO, stays: true).run(
                        ["pull", "--quiet", DemoHub.name], below: demo.folder,
                        environment: demo.environment))
                #expect(outcome.code == 1)
                #expect(outcome.errors.contains("\(name): cannot be written: Input/output error"))
            }
        }
    #endif

    @Test func aNameBecomesAnAnswer() async throws {
        try await DemoHub.run { demo in
            let arguments = [
                "run", "-m", DemoHub.name, picturePath("small"), "-n", "4", "-t", "1", "--json",
            ]
            let first = try demo.tool(arguments)
            #expect(first.code == 0)
            #expect(first.errors.contains("\(DemoHub.tower) (1 of 2): downloaded and checked"))
            #expect(first.errors.contains("\(DemoHub.text) (2 of 2): downloaded and checked"))
            try demo.checkFiles()
            // The second time nothing is asked for, and nothing is said about it.
            demo.hub.setRule { _, _ in Reply(500) }
            let second = try demo.tool(arguments, ["HF_HUB_OFFLINE": "1"])
            #expect(second.code == 0)
            #expect(second.errors == "")
            #expect(demo.hub.requests.isEmpty)
            #expect(try answer(second) == answer(first))
            let plain = try ToolProcess.run([
                "run", picturePath("small"), "-n", "4", "-t", "1", "--json",
            ])
            #expect(try answer(plain) == answer(first))
        }
    }

    private func answer(_ outcome: Outcome) throws -> String {
        let json = try JSONSerialization.jsonObject(with: Data(outcome.output)) as? [String: Any]
        return try #require(json?["text"] as? String)
    }

    @Test func allCommandsTakeNames() async throws {
        try await DemoHub.run { demo in
            let pulled = try demo.tool(["pull", DemoHub.name, "--quiet"])
            #expect(pulled.code == 0)
            #expect(pulled.errors == "")
            let paths = pulled.text.split(separator: "\n").map(String.init)
            #expect(
                paths.map { $0.split(separator: "/").last ?? "" } == [
                    DemoHub.text[...], DemoHub.tower[...],
                ])
            let offline = ["HF_HUB_OFFLINE": "1"]
            let tokens = try demo.tool(["tokenize", "-m", DemoHub.name, "a red square"], offline)
            #expect(
                tokens.text
                    == (try ToolProcess.run(["tokenize", "-m", paths[0], "a red square"])).text)
            let inspected = try demo.tool(
                ["inspect", DemoHub.name, "--memory", "--keep", "64"], offline)
            #expect(inspected.code == 0)
            let memory = try ToolProcess.run(
                ["inspect", paths[0], "--memory", "--keep", "64", "--mmproj", paths[1]])
            #expect(inspected.text == memory.text)
            let own = try demo.tool(
                [
                    "prune-map", "-m", DemoHub.name, "--mmproj", "/absent.gguf",
                    picturePath("small"),
                    "--keep", "8", "-o", "\(demo.folder.path)/map.png",
                ], offline)
            #expect(own.code == 1)
            #expect(own.errors.contains("/absent.gguf"))
            let listed = try demo.tool(["models"], offline)
            #expect(listed.text.contains("\(DemoHub.name):Q8_0"))
            let json = try demo.tool(["models", "--json"], offline)
            let models = try JSONSerialization.jsonObject(with: Data(json.output)) as? [String: Any]
            let row = try #require((models?["models"] as? [[String: Any]])?.first)
            #expect(row["model"] as? String == paths[0])
            #expect(row["mmproj"] as? String == paths[1])
            #expect(
                row["bytes"] as? Int
                    == [DemoHub.text, DemoHub.tower].reduce(0) {
                        $0 + (demo.hub.files[$1]?.count ?? 0)
                    })
        }
    }

    @Test func aDownloadSurvivesBeingKilled() async throws {
        try await DemoHub.run { demo in
            let stop = Mutex((path: "", size: 0))
            let random = Mutex(SeededGenerator(seed: 20))
            for round in 0..<20 {
                // The first half of the rounds dies in the first file, the second half in the second.
                let victim = round < 10 ? DemoHub.tower : DemoHub.text
                let hash = HubStandIn.hash(of: demo.hub.files[victim] ?? [])
                stop.withLock { $0 = ("", 0) }
                demo.hub.setRule { request, reply in
                    guard request.isStorage, request.path.hasSuffix(hash) else { return reply }
                    let count = random.withLock {
                        Int.random(in: 1...(reply.body.count / 6), using: &$0)
                    }
                    var reply = reply
                    reply.ending = .stall(after: count)
                    stop.withLock {
                        $0 = (demo.blob(victim) + ".incomplete", request.first + count)
                    }
                    return reply
                }
                let tool = try ToolProcess(["pull", DemoHub.name], environment: demo.environment)
                try await waitUntil {
                    let (path, size) = stop.withLock { $0 }
                    return size > 0 && FileStatus(FilePath(path))?.version.size == size
                }
                tool.send(signal: SIGKILL)
                #expect(try tool.finish().code == 128 + SIGKILL)
            }
            demo.hub.setRule { $1 }
            let last = try demo.tool(["pull", DemoHub.name])
            #expect(last.code == 0)
            try demo.checkFiles()
            // What had come before was not asked for again.
            let first = try #require(demo.hub.requests.first { $0.isStorage })
            #expect(first.first == stop.withLock { $0.size })
        }
    }

    private func waitUntil(_ condition: () -> Bool) async throws {
        let deadline = ContinuousClock.now + .seconds(120)
        while !condition() {
            guard ContinuousClock.now < deadline else { throw ToolProcess.Timeout(arguments: []) }
            try await Task.sleep(for: .milliseconds(2))
        }
    }

    @Test func oneBadNameDoesNotEndAPull() async throws {
        try await DemoHub.run { demo in
            let outcome = try demo.tool(["pull", "acme/absent", "\(DemoHub.name):q8_0", "--json"])
            #expect(outcome.code == 1)
            #expect(
                outcome.errors.contains(
                    "hf:acme/absent: acme/absent: there is no such repository (404)"))
            #expect(outcome.text.contains(#""name":"hf:acme/tiny-llava-gguf:q8_0""#))
        }
    }

    @Test(arguments: [
        (["run", "-m", "llava-9", "a.png"], 2, "'llava-9' is neither a file nor a model's name"),
        (["run", "-m", "hf:acme", "a.png"], 2, "expected hf:OWNER/REPO or hf:OWNER/REPO:QUANT"),
        (
            [
                "run", "-m", "/dev/null", "--mmproj", "/dev/null", "--quant", "Q4_0",
                "a.png",
            ], 2, "--quant needs a model's name"
        ),
        (["run", "-m", "/dev/null", "a.png"], 2, "/dev/null has no vision projector"),
        (["tokenize", "-m", "llava-9", "a"], 2, "'llava-9' is neither a file"),
        (["pull", "--cache-dir", "", "llava-1.5-7b"], 2, "--cache-dir is empty"),
        (["models", "--cache-dir", ""], 2, "--cache-dir is empty"),
        (["pull", "/dev/null"], 2, "is a file, expected a model's name"),
        (["pull", "ollama:absent"], 1, "ollama has no model absent:latest: there is no "),
        (["caption", "-m", "llava-1.5-7b", "."], 1, "llava-1.5-7b is not in "),
        (["inspect", "llava-1.5-7b", "--quant", "Q9_9"], 1, "llava-1.5-7b:Q9_9 is not in "),
    ])
    func saysWhatIsWrong(arguments: [String], code: Int32, message: String) throws {
        let folder = try TemporaryFolder()
        let outcome = try ToolProcess.run(
            arguments,
            environment: [
                "HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": folder.path, "HOME": folder.path,
                "OLLAMA_MODELS": folder.path,
            ])
        #expect(outcome.code == code)
        #expect(outcome.errors.contains(message))
        #expect(outcome.text == "")
    }

    @Test func listsWhatCanBeHad() throws {
        let folder = try TemporaryFolder()
        let environment = [
            "HF_HUB_CACHE": folder.path, "OLLAMA_MODELS": folder.path, "HOME": folder.path,
        ]
        let none = try ToolProcess.run(["models"], environment: environment)
        #expect(none.code == 0)
        #expect(none.text == "")
        #expect(none.errors.contains("\"trimllava pull llava-1.5-7b\" downloads one"))
        let known = try ToolProcess.run(["models", "--known"], environment: environment)
        #expect(known.text.contains("llava-1.5-7b:Q4_K_M"))
        #expect(known.text.contains("second-state/Llava-v1.5-7B-GGUF"))
    }
}
