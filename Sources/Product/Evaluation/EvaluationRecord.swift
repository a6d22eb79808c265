// SPDX-License-Identifier: Apache-2.0

/// A model's answer to one question at one setting.
///
/// A file has one record per line, as JSON with keys in snake case.
public struct EvaluationRecord: Codable, Sendable, Hashable {
    /// The question's `id`.
    public let id: String
    /// The setting's name.
    public let setting: String
    /// The answer; nil for a failure.
    public let text: String?
    /// Why there is no answer.
    public let error: String?
    /// Visual tokens before pruning.
    public let visualTokens: Int
    /// Visual tokens that entered the decoder.
    public let keptTokens: Int
    /// The question and its conditions; nil in files that predate keys.
    public let key: AnswerKey?

    /// The names of the fields in files without a `schema_version`.
    private enum EarlierKeys: String, CodingKey {
        case answer, visual, kept
    }

    init(
        id: String, setting: String, text: String?, error: String?, visualTokens: Int,
        keptTokens: Int, key: AnswerKey? = nil
    ) {
        self.id = id
        self.setting = setting
        self.text = text
        self.error = error
        self.visualTokens = visualTokens
        self.keptTokens = keptTokens
        self.key = key
    }

    /// Reads a record, including one with the earlier names.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        let earlier = try decoder.container(keyedBy: EarlierKeys.self)
        id = try container.decode(String.self, forKey: .id)
        setting = try container.decode(String.self, forKey: .setting)
        text =
            try container.decodeIfPresent(String.self, forKey: .text)
            ?? earlier.decodeIfPresent(String.self, forKey: .answer)
        error = try container.decodeIfPresent(String.self, forKey: .error)
        visualTokens =
            try container.decodeIfPresent(Int.self, forKey: .visualTokens)
            ?? earlier.decode(Int.self, forKey: .visual)
        keptTokens =
            try container.decodeIfPresent(Int.self, forKey: .keptTokens)
            ?? earlier.decode(Int.self, forKey: .kept)
        key = try container.decodeIfPresent(AnswerKey.self, forKey: .key)
    }
}
