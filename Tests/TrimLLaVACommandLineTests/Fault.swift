// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

#if os(Linux)
    /// A system call about a file that goes wrong in the built `trimllava`.
    ///
    /// `Tests/Faults/faults.c` describes calls and modes.
    struct Fault: CustomStringConvertible {
        /// The call, such as `stat`.
        let call: String
        /// The name of the file; nil for all files of the folder.
        let file: String?
        /// Which of these calls goes wrong, from 1.
        var number = 1
        /// An error number, or a mode.
        let mode: String
        /// Whether all later calls go wrong, too.
        var stays = false

        init(_ call: String, _ file: String?, number: Int = 1, _ code: Int32, stays: Bool = false) {
            self.init(call, file, number: number, mode: "\(code)", stays: stays)
        }

        init(
            _ call: String, _ file: String?, number: Int = 1, mode: String, stays: Bool = false
        ) {
            (self.call, self.file, self.number) = (call, file, number)
            (self.mode, self.stays) = (mode, stays)
        }

        var description: String { "\(call) \(number) of \(file ?? "any file"): \(mode)" }

        /// The compiled library.
        private static let library = Result {
            let folder = try TemporaryFolder()
            let source = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
                .appendingPathComponent("../Faults/faults.c").path
            let library = folder.path + "/faults.so"
            let compiler = try ToolProcess(
                ["clang", "-O1", "-shared", "-fPIC", "-o", library, source],
                executable: "/usr/bin/env")
            let outcome = try compiler.finish()
            try #require(outcome.code == 0, "\(outcome.errors)")
            return (folder, library)
        }

        /// Runs the tool in which the call goes wrong.
        ///
        /// - Returns: the outcome; nil if the tool makes no such call.
        func run(
            _ arguments: [String], below folder: TemporaryFolder,
            environment more: [String: String] = [:]
        ) throws -> Outcome? {
            let state = try TemporaryFolder()
            let path = try state.write([UInt8](repeating: 0, count: 8192), to: "state")
            let place = URL(fileURLWithPath: folder.path).resolvingSymlinksInPath().path
            var environment = [
                "LD_PRELOAD": try Self.library.get().1, "FAULTS_FOLDER": place,
                "FAULTS_STATE": path, "FAULTS_CALL": call, "FAULTS_NUMBER": "\(number)",
                "FAULTS_MODE": mode,
            ]
            if let file { environment["FAULTS_NAME"] = file }
            if stays { environment["FAULTS_STAYS"] = "1" }
            let outcome = try ToolProcess.run(
                arguments, environment: environment.merging(more) { $1 })
            let counters = 18 * 16
            let hits = try [UInt8](Data(contentsOf: URL(fileURLWithPath: path)))[counters]
            return hits == 0 ? nil : outcome
        }
    }
#endif
