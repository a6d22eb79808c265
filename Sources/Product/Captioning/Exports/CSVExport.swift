// SPDX-License-Identifier: Apache-2.0
import FileOutput
import TrimLLaVA

/// Records as comma-separated values (RFC 4180), with a header line.
public enum CSVExport {
    private static let columns: [(name: String, value: @Sendable (CaptionRecord) -> String?)] = [
        ("file_name", { $0.fileName }), ("text", { $0.text }), ("error", { $0.error }),
        ("prompt", { $0.prompt }), ("model", { $0.model }), ("width", { text($0.width) }),
        ("height", { text($0.height) }), ("visual_tokens", { text($0.visualTokens) }),
        ("kept_tokens", { text($0.keptTokens) }), ("prompt_tokens", { text($0.promptTokens) }),
        ("generated_tokens", { text($0.generatedTokens) }), ("stop_reason", { $0.stopReason }),
        ("picture_seconds", { text($0.pictureSeconds) }),
        ("vision_seconds", { text($0.visionSeconds) }),
        ("select_seconds", { text($0.selectSeconds) }),
        ("prefill_seconds", { text($0.prefillSeconds) }),
        ("decode_seconds", { text($0.decodeSeconds) }),
        ("schema_version", { text($0.schemaVersion) }),
        ("trimllava_version", { $0.trimllavaVersion }),
    ]

    /// Writes a line for each record.
    ///
    /// - Throws: `CaptioningError.unwritable`.
    public static func write(_ table: CaptionTable, to path: FilePath) throws(CaptioningError) {
        try writing { () throws(FileOutputError) in
            let file = try OutputFile(path, makesFolders: true)
            try file.append(CSV.line(columns.map(\.name)))
            for row in table.rows {
                for record in row.records {
                    try file.append(CSV.line(columns.map { $0.value(record) ?? "" }))
                }
            }
            try file.finish()
        }
    }

    private static func text(_ number: (some CustomStringConvertible)?) -> String? {
        number?.description
    }
}
