/// What a frame carries; the numbers are the protocol and are never reused.
public enum FrameType: UInt16, Hashable, Sendable, CaseIterable {
    // Both directions
    case failure = 1
    case done = 2

    // Controller to agent: one request at a time
    case describeHost = 16
    case listMachines = 17
    case defineMachine = 18
    case startMachine = 19
    case stopMachine = 20
    case removeMachine = 21
    case showMachine = 22
    case attachConsole = 23
    case consoleInput = 24
    case createKey = 25
    case authorizePeer = 26
    case showRecord = 27
    case recoverMachine = 28
    case cancelMachine = 29
    case showPolicy = 30
    case changePolicy = 31
    case prepareIncoming = 32
    case startOutgoing = 33
    case cancel = 34
    case inspectOutgoing = 35
    case inspectIncoming = 36
    case measureGuest = 37
    case runDrainHook = 40
    case examineHost = 41
    case changeGuestPolicy = 42
    case saveMachine = 46
    case discardSaved = 47
    case findClaims = 48
    case withdrawPeer = 51
    case tryPeer = 52
    case settlePeers = 53
    case probePath = 56

    // Agent to controller
    case hostFacts = 64
    case machineList = 65
    case machine = 66
    case consoleOutput = 67
    case publicKey = 68
    case prepared = 69
    case phase = 70
    case round = 71
    case progress = 72
    case moved = 73
    case record = 74
    case hostPolicy = 75
    case inspection = 76
    case guestMeasured = 77
    case note = 80
    case examination = 81
    case claims = 82
    case peersWithdrawn = 85
    case storing = 86
    case gateOpened = 87
    case consoleOpened = 90
    case consoleEnded = 91

    // Source agent to destination agent
    case laneHello = 128
    case batch = 129
    case roundEnd = 130
    case clockProbe = 131
    case deviceState = 132
    case final = 133
    case token = 134
    case abort = 135
    case imageHashed = 136
    case pageHashes = 137
    case laneProbe = 138

    // Destination agent to source agent
    case laneAccepted = 160
    case roundPlaced = 161
    case clockReply = 162
    case machineReady = 163
    case ready = 164
    case ownerAcknowledged = 165
    case aborted = 166
    case hashesWanted = 167
    case imageCompared = 168
    case laneProbed = 169
    case guestReached = 170
    case portsAwaited = 171

    // Agent to guardian, on one host
    case guardianDescribe = 192
    case guardianBegin = 193
    case guardianStop = 194
    case guardianSave = 195
    case guardianRelease = 196
    case guardianFinish = 197
    case guardianReclaim = 198
    case guardianAbort = 199
    case guardianLoad = 200
    case guardianReady = 201
    case guardianOwn = 202
    case guardianDiscard = 203
    case guardianPowerOff = 204
    case guardianSettle = 205
    case guardianCancel = 206
    case guardianFreeze = 207
    case guardianSeize = 208
    case guardianInspect = 209
    case guardianSuspend = 211
    case guardianKeep = 212
    case guardianRestore = 213
    case guardianAttachConsole = 214
    case guardianHello = 215
    case guardianOverrule = 221

    // Guardian to agent
    case guardianState = 224
    case guardianResumed = 225
    case guardianInspection = 226
    case guardianSuspended = 228
    case guardianConsole = 229
    case guardianWelcome = 230
}
